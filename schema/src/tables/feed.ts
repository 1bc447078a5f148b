import {
  appendOnly,
  column,
  date,
  forever,
  integer,
  local,
  numeric,
  oneOf,
  singleWriter,
  table,
  text,
  timestamptz,
} from "@hayloft/engine";
import {
  correctable,
  createdAt,
  freeText,
  kg,
  measured,
  nameText,
  noteText,
  outsideId,
  ownId,
  pct,
  tenantId,
  updatedAt,
  voidCheck,
  voidColumns,
} from "../farm-columns.ts";
import { keepEverywhere, keepWindow } from "../tiers.ts";

const barnScope = { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" } as const;
const farmScope = { tenant: "tenant_id", farm: "farm_id" } as const;

const owned = {
  group: "feed",
  category: "master",
  writers: ["cloud"],
  flow: "down",
  retain: keepEverywhere,
  lane: 0,
} as const;

const entered = {
  group: "feed",
  category: "record",
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  lane: 0,
} as const;

const toFarm = { columns: ["tenant_id", "farm_id"], table: "farms" };
const toBarn = { columns: ["tenant_id", "barn_id"], table: "barns" };
const toBatch = { columns: ["tenant_id", "batch_id"], table: "batches" };
const toLot = { columns: ["tenant_id", "feed_lot_id"], table: "feed_lot" };
const uniqueRef = { columns: ["tenant_id", "external_ref"], where: "external_ref is not null" };
const externalRef = () => outsideId().nullable();
const quantity = () => kg().check("{} >= 0");

export const feedFormula = table("feed_formula", {
  ...owned,
  about: "Feed recipes.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    name: nameText(),
    species: oneOf("broiler", "layer", "swine", "fish").nullable(),
    phase: text().nullable(),
    energy_kcal_per_kg: numeric(8, 2).nullable().check("{} >= 0"),
    protein_pct: pct().nullable().check("{} between 0 and 100"),
    fiber_pct: pct().nullable().check("{} between 0 and 100"),
    fat_pct: pct().nullable().check("{} between 0 and 100"),
    status: oneOf("active", "inactive").default("'active'"),
    external_ref: externalRef(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "name"] }, uniqueRef],
  indexes: [
    ["tenant_id", "species"],
    ["tenant_id", "status"],
    ["tenant_id", "created_at desc"],
  ],
  scope: { tenant: "tenant_id" },
  rule: singleWriter("cloud"),
});

export const feedLot = table("feed_lot", {
  ...owned,
  about: "Lots of feed that were bought or made.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    supplier_name: text().nullable(),
    lot_code: outsideId(),
    feed_formula_id: ownId().nullable(),
    manufacture_date: date().nullable(),
    received_date: date().nullable(),
    quantity_kg: kg().nullable().check("{} >= 0"),
    remaining_kg: kg().nullable(),
    status: oneOf("active", "archived").default("'active'"),
    external_ref: externalRef(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "lot_code"] }, uniqueRef],
  indexes: [
    ["tenant_id", "farm_id", "received_date"],
    ["tenant_id", "feed_formula_id"],
    ["tenant_id", "status"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, { columns: ["tenant_id", "feed_formula_id"], table: "feed_formula" }],
  scope: farmScope,
  // Each tier computes it from the intake that it knows.
  rule: singleWriter("cloud", { columns: { remaining_kg: column.derived() } }),
});

export const feedDelivery = table("feed_delivery", {
  ...entered,
  about: "Feed that arrived.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId().nullable(),
    feed_lot_id: ownId(),
    delivery_ref: outsideId().nullable(),
    delivered_at: timestamptz(),
    quantity_kg: quantity(),
    unit_cost: numeric(12, 2).nullable().check("{} >= 0"),
    currency: text().nullable(),
    notes: noteText(),
    external_ref: externalRef(),
    created_by_user_id: ownId().nullable(),
    created_at: createdAt(),
    ...voidColumns(),
  },
  unique: [{ columns: ["tenant_id", "delivery_ref"], where: "delivery_ref is not null" }, uniqueRef],
  indexes: [
    ["tenant_id", "delivered_at desc"],
    ["tenant_id", "farm_id", "delivered_at"],
    ["tenant_id", "barn_id", "delivered_at"],
    ["tenant_id", "feed_lot_id"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, toBarn, toLot],
  checks: voidCheck,
  scope: barnScope,
  rule: appendOnly({ columns: correctable }),
  retain: keepWindow("delivered_at", 180, 120),
});

export const feedQualityResult = table("feed_quality_result", {
  ...owned,
  about: "Laboratory results of a lot, one metric each.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    feed_lot_id: ownId(),
    sampled_at: timestamptz(),
    metric: text(),
    value: measured(),
    unit: text().nullable(),
    method: text().nullable(),
    status: oneOf("valid", "rejected").default("'valid'"),
    external_ref: externalRef(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [uniqueRef],
  indexes: [
    ["tenant_id", "sampled_at desc"],
    ["tenant_id", "feed_lot_id"],
    ["tenant_id", "metric"],
    ["tenant_id", "status"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toLot],
  scope: { tenant: "tenant_id" },
  rule: singleWriter("cloud"),
});

// Formula and lot are what the dispenser or the person named, perhaps wrongly: text, and no foreign key.
// Rows from a silo or a dispenser have an id derived from the readings, so that late data cannot double them.
export const feedIntakeRecord = table("feed_intake_record", {
  ...entered,
  about: "Feed that a barn took.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    batch_id: outsideId().nullable(),
    device_id: outsideId().nullable(),
    source: oneOf("MANUAL", "API_IMPORT", "MQTT_DISPENSED", "SILO_AUTO"),
    feed_formula_id: outsideId().nullable(),
    feed_lot_id: outsideId().nullable(),
    quantity_kg: kg().check("{} > 0"),
    occurred_at: timestamptz(),
    ingested_at: timestamptz().nullable(),
    event_id: outsideId().nullable(),
    external_ref: externalRef(),
    idempotency_key: outsideId().nullable(),
    sequence: integer().nullable(),
    notes: noteText(),
    created_by_user_id: ownId().nullable(),
    created_at: createdAt(),
    ...voidColumns(),
  },
  unique: [
    { columns: ["tenant_id", "event_id"], where: "event_id is not null" },
    uniqueRef,
    { columns: ["tenant_id", "idempotency_key"], where: "idempotency_key is not null" },
  ],
  indexes: [
    ["tenant_id", "occurred_at desc"],
    ["tenant_id", "farm_id", "occurred_at"],
    ["tenant_id", "barn_id", "occurred_at"],
    ["tenant_id", "batch_id", "occurred_at"],
    ["tenant_id", "device_id", "occurred_at"],
    ["tenant_id", "source", "occurred_at"],
    ["tenant_id", "feed_lot_id"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, toBarn, toBatch],
  checks: { ...voidCheck, import_is_repeatable: "source <> 'API_IMPORT' or external_ref is not null" },
  scope: barnScope,
  rule: appendOnly({ columns: correctable }),
  retain: keepWindow("occurred_at", 180, 120),
});

export const feedProgram = table("feed_program", {
  ...owned,
  about: "Plans of which feed is given when.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    name: nameText(),
    status: oneOf("active", "inactive").default("'active'"),
    start_date: date().nullable(),
    end_date: date().nullable(),
    notes: freeText().nullable(),
    external_ref: externalRef(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "name"] }, uniqueRef],
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "barn_id"],
    ["tenant_id", "status"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, toBarn],
  scope: barnScope,
  rule: singleWriter("cloud"),
});

export const feedInventorySnapshot = table("feed_inventory_snapshot", {
  ...entered,
  about: "How much feed was there, counted or weighed.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    feed_lot_id: ownId().nullable(),
    snapshot_at: timestamptz(),
    quantity_kg: quantity(),
    source: oneOf("MANUAL", "SENSOR"),
    notes: noteText(),
    external_ref: externalRef(),
    created_by_user_id: ownId().nullable(),
    created_at: createdAt(),
    ...voidColumns(),
  },
  unique: [uniqueRef],
  indexes: [
    ["tenant_id", "snapshot_at desc"],
    ["tenant_id", "farm_id", "snapshot_at"],
    ["tenant_id", "barn_id", "snapshot_at"],
    ["tenant_id", "feed_lot_id"],
    ["tenant_id", "source"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, toBarn, toLot],
  checks: voidCheck,
  scope: barnScope,
  rule: appendOnly({ columns: correctable }),
  retain: keepWindow("snapshot_at", 180, 120),
});

// The last reading of each silo, from which the next intake is computed.
export const siloWeightSnapshot = table("silo_weight_snapshot", {
  about: "The newest weight of each silo.",
  group: "feed",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    device_id: outsideId(),
    weight_kg: kg(),
    recorded_at: timestamptz(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "device_id"],
  scope: { tenant: "tenant_id" },
  writers: ["edge"],
  flow: "local",
  rule: local(),
  retain: { edge: forever },
});
