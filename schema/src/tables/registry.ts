import {
  appendOnly,
  boolean,
  column,
  date,
  integer,
  jsonb,
  numeric,
  oneOf,
  singleWriter,
  table,
  text,
  timestamptz,
} from "@hayloft/engine";
import { createdAt, fcr, freeText, kg, measured, nameText, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";
import { keepCloud, keepEverywhere } from "../tiers.ts";

// The hub owns the registry. It flows down before anything else, so that a new device works in the barn after one sync.
const owned = {
  group: "registry",
  category: "master",
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: keepEverywhere,
  lane: 0,
} as const;

const toTenant = { columns: ["tenant_id"], table: "tenants" };
const toFarm = { columns: ["tenant_id", "farm_id"], table: "farms" };
const toBarn = { columns: ["tenant_id", "barn_id"], table: "barns" };

// `tenant_id` leads every key, also here, where it says the same as `id`.
export const tenants = table("tenants", {
  ...owned,
  about: "Customer companies, the border of isolation.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    name: nameText(),
    status: oneOf("active", "inactive", "suspended").default("'active'"),
    type: oneOf("standard", "enterprise", "trial").default("'standard'"),
    region: text().default("'TH'"),
    // Which bytes of images the hub keeps as well. Every node of the tenant has to know it.
    cloud_media: oneOf("none", "variants", "all").default("'none'"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id"],
  indexes: [["tenant_id", "status"]],
  checks: { id_is_tenant: "id = tenant_id" },
  scope: { tenant: "tenant_id" },
});

export const farms = table("farms", {
  ...owned,
  about: "Places that a tenant runs.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    name: nameText(),
    location: text().nullable(),
    status: oneOf("active", "inactive").default("'active'"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "name"] }],
  indexes: [["tenant_id", "status"]],
  references: [toTenant],
  scope: { tenant: "tenant_id", farm: "id" },
  // Where a farm lies may identify a person; a tablet can be lost.
  hidden: { tablet: ["location"] },
});

export const barns = table("barns", {
  ...owned,
  about: "Buildings of a farm.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    farm_id: outsideId(),
    name: nameText(),
    animal_type: oneOf("broiler", "layer", "breeder").nullable(),
    capacity: integer().nullable().check("{} >= 0"),
    status: oneOf("active", "inactive").default("'active'"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "farm_id", "name"] }],
  indexes: [["tenant_id", "farm_id", "status"]],
  references: [toTenant, toFarm],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "id" },
});

export const batches = table("batches", {
  ...owned,
  about: "Flocks: the animals of one cycle in a barn.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    species: text(),
    start_date: date(),
    end_date: date().nullable(),
    status: oneOf("active", "completed", "cancelled").default("'active'"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  indexes: [
    ["tenant_id", "farm_id", "barn_id"],
    ["tenant_id", "barn_id", "start_date"],
    ["tenant_id", "status"],
  ],
  references: [toTenant, toFarm, toBarn],
  checks: { ends_after_start: "end_date is null or end_date >= start_date" },
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
  // A batch only goes forward: one that was closed is never opened again.
  rule: singleWriter("cloud", {
    columns: { status: column.lattice({ active: ["completed"], completed: ["cancelled"], cancelled: [] }) },
  }),
});

export const devices = table("devices", {
  ...owned,
  about: "Anything with a device id. What a device says about itself is in `device_last_seen`.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    batch_id: outsideId().nullable(),
    device_type: text(),
    serial_no: text().nullable(),
    status: oneOf("active", "inactive", "maintenance").default("'active'"),
    lifecycle_state: oneOf("PROVISIONED", "ACTIVE", "MAINTENANCE", "DECOMMISSIONED").default("'PROVISIONED'"),
    metadata: jsonb<Readonly<Record<string, unknown>>>().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "serial_no"], where: "serial_no is not null" }],
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "barn_id"],
    ["tenant_id", "batch_id"],
    ["tenant_id", "device_type"],
    ["tenant_id", "status"],
  ],
  references: [toTenant, toFarm, toBarn, { columns: ["tenant_id", "batch_id"], table: "batches" }],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

export const stations = table("stations", {
  ...owned,
  about: "Weighing and feeding points.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    name: nameText(),
    station_type: oneOf("weighing", "feeding").nullable(),
    status: oneOf("active", "inactive").default("'active'"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "farm_id", "barn_id", "name"] }],
  indexes: [
    ["tenant_id", "barn_id"],
    ["tenant_id", "status"],
  ],
  references: [toTenant, toFarm, toBarn],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

// No reference to the registry row: a device may be allowed before its record is complete.
export const deviceAllowlist = table("device_allowlist", {
  ...owned,
  about: "Devices that may speak. A site can still block one: see `site_block_list`; deny wins.",
  columns: {
    tenant_id: tenantId(),
    device_id: outsideId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    enabled: boolean().default("true"),
    notes: freeText().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "device_id"],
  indexes: [["tenant_id", "farm_id", "barn_id"]],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

export const stationAllowlist = table("station_allowlist", {
  ...owned,
  about: "Stations that may speak. A weigh message needs its station and its device.",
  columns: {
    tenant_id: tenantId(),
    station_id: outsideId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    enabled: boolean().default("true"),
    notes: freeText().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "station_id"],
  indexes: [["tenant_id", "farm_id", "barn_id"]],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

export const sensors = table("sensors", {
  ...owned,
  about: "Sensors of a barn, by the id people know them by.",
  columns: {
    tenant_id: tenantId(),
    id: outsideId(),
    sensor_id: outsideId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    type: text(),
    unit: text(),
    label: text().nullable(),
    zone: text().nullable(),
    enabled: boolean().default("true"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "sensor_id"] }],
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "barn_id"],
    ["tenant_id", "type"],
    ["tenant_id", "enabled"],
  ],
  references: [toTenant, toFarm, toBarn],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

const toSensor = { columns: ["tenant_id", "sensor_id"], table: "sensors" };

// `sensor_id` is the key of `sensors` here, and one binding per sensor is open at a time.
export const sensorBindings = table("sensor_bindings", {
  ...owned,
  about: "Which channel of which device a sensor hangs on, and since when.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    sensor_id: outsideId(),
    device_id: outsideId(),
    metric: text().nullable(),
    protocol: oneOf("mqtt", "modbus", "analog", "serial", "http", "opcua"),
    channel: text().nullable(),
    sampling_rate_s: integer().nullable().check("{} > 0"),
    effective_from: timestamptz(),
    effective_to: timestamptz().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "sensor_id"], where: "effective_to is null" }],
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "barn_id"],
    ["tenant_id", "device_id"],
    ["tenant_id", "sensor_id", "effective_from"],
  ],
  references: [toSensor, { columns: ["tenant_id", "device_id"], table: "devices" }],
  checks: { ends_after_start: "effective_to is null or effective_to > effective_from" },
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

// A technician calibrates on site, offline: each calibration is a new row. Calibrated value = raw × gain + offset.
export const sensorCalibrations = table("sensor_calibrations", {
  ...owned,
  about: "Calibrations; the newest at or before a reading counts.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    sensor_id: outsideId(),
    offset: measured().default("0"),
    gain: numeric(12, 6).default("1").check("{} > 0"),
    method: text(),
    performed_at: timestamptz(),
    performed_by: text(),
    notes: freeText().nullable(),
    created_at: createdAt(),
  },
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "barn_id"],
    ["tenant_id", "sensor_id", "performed_at desc"],
  ],
  references: [toSensor],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: appendOnly(),
});

export const tenantQuotas = table("tenant_quotas", {
  ...owned,
  about: "How much a tenant may have. Read by the hub only.",
  columns: {
    tenant_id: tenantId(),
    max_farms: integer().nullable(),
    max_barns: integer().nullable(),
    max_devices: integer().nullable(),
    max_users: integer().nullable(),
    max_storage_gb: integer().nullable(),
    max_api_calls_per_day: integer().nullable(),
    raw_telemetry_years: integer().default("2").check("{} between 2 and 7"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id"],
  references: [toTenant],
  scope: { tenant: "tenant_id" },
  flow: "top",
  retain: keepCloud,
});

export const tenantRateLimits = table("tenant_rate_limits", {
  ...owned,
  about: "Calls that a tenant may make of the hub. Read by the hub only.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    endpoint: text().nullable(),
    calls_per_minute: integer().nullable(),
    calls_per_hour: integer().nullable(),
    calls_per_day: integer().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "endpoint"], nullsNotDistinct: true }],
  references: [toTenant],
  scope: { tenant: "tenant_id" },
  flow: "top",
  retain: keepCloud,
});

// Thresholds and curves are set at the hub. Null farm or barn means all of them; the effective rule is in a view.
export const configThresholdRules = table("config_threshold_rules", {
  ...owned,
  about: "When a metric is worth an alarm, for a tenant, a farm or a barn.",
  group: "config",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    metric: text(),
    op: oneOf("gt", "lt", "gte", "lte", "eq"),
    value: measured(),
    duration_s: integer().nullable().check("{} >= 0"),
    severity: oneOf("info", "warning", "critical").default("'warning'"),
    enabled: boolean().default("true"),
    updated_by: text().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "farm_id", "barn_id", "metric", "op"], nullsNotDistinct: true }],
  indexes: [
    ["tenant_id", "barn_id"],
    ["tenant_id", "enabled"],
  ],
  references: [toTenant, toFarm, toBarn],
  checks: { barn_has_farm: "barn_id is null or farm_id is not null" },
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});

export const configTargetCurves = table("config_target_curves", {
  ...owned,
  about: "Weight and feed conversion that are aimed at, by day of age.",
  group: "config",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    species: text().nullable(),
    day: integer().check("{} >= 0"),
    target_weight_kg: kg().nullable(),
    target_fcr: fcr().nullable(),
    updated_by: text().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "farm_id", "barn_id", "species", "day"], nullsNotDistinct: true }],
  indexes: [["tenant_id", "barn_id"]],
  references: [toTenant, toFarm, toBarn],
  checks: { barn_has_farm: "barn_id is null or farm_id is not null" },
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
});
