import { boolean, date, derived, forever, integer, jsonb, oneOf, singleWriter, table, text, timestamptz } from "@hayloft/engine";
import { createdAt, fcr, gram, kg, measured, outsideId, ownId, pct, tenantId, updatedAt } from "../farm-columns.ts";
import { keepWindow } from "../tiers.ts";

const barnScope = { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" } as const;

// The source may be gone by retention: the result stays. `window` is an SQL keyword and is always quoted by us.
export const analyticsResults = table("analytics_results", {
  about: "What analytics found: figures, anomalies, forecasts.",
  group: "analytics",
  category: "analytics",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    type: oneOf("kpi", "anomaly", "forecast"),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    device_id: outsideId().nullable(),
    session_id: outsideId().nullable(),
    metric: outsideId(),
    value: measured().nullable(),
    unit: text().nullable(),
    window: text().nullable(),
    occurred_at: timestamptz(),
    source_event_id: outsideId(),
    trace_id: text().nullable(),
    payload: jsonb<Readonly<Record<string, unknown>>>().default("'{}'::jsonb"),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "type", "source_event_id", "metric"] }],
  indexes: [
    ["tenant_id", "type", "occurred_at desc"],
    ["tenant_id", "metric", "occurred_at desc"],
    ["tenant_id", "farm_id", "occurred_at desc"],
    ["tenant_id", "barn_id", "occurred_at desc"],
  ],
  scope: barnScope,
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: keepWindow("occurred_at", 90, 30),
  lane: 2,
});

const computed = {
  group: "analytics",
  category: "analytics",
  writers: ["cloud", "edge"],
  flow: "local",
  rule: derived(),
  retain: { cloud: forever, edge: forever },
  scope: barnScope,
} as const;

export const kpiDaily = table("kpi_daily", {
  ...computed,
  about: "Figures of a barn and day, computed from counts, weights and feed.",
  columns: {
    tenant_id: tenantId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    batch_id: outsideId().nullable(),
    record_date: date(),
    fcr: fcr().nullable(),
    adg_g: gram().nullable(),
    sgr_pct: pct().nullable(),
    total_feed_kg: kg().nullable(),
    weight_gain_kg: kg().nullable(),
    biomass_kg: kg().nullable(),
    animal_count: integer().nullable(),
    mortality_count: integer().default("0"),
    is_intake_missing: boolean().default("false"),
    is_weight_missing: boolean().default("false"),
    source_window_start: timestamptz().nullable(),
    source_window_end: timestamptz().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "barn_id", "record_date"],
  indexes: [
    ["tenant_id", "record_date"],
    ["tenant_id", "farm_id", "record_date"],
    ["tenant_id", "batch_id", "record_date"],
  ],
});

export const weighvisionWeightAggregate = table("weighvision_weight_aggregate", {
  ...computed,
  about: "Weights of a batch and day: mean, percentiles, number.",
  columns: {
    tenant_id: tenantId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    batch_id: outsideId().default("'none'"),
    record_date: date(),
    avg_weight_kg: kg().nullable(),
    p10_weight_kg: kg().nullable(),
    p50_weight_kg: kg().nullable(),
    p90_weight_kg: kg().nullable(),
    sample_count: integer().default("0").check("{} >= 0"),
    quality_pass_rate_pct: pct().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "farm_id", "barn_id", "batch_id", "record_date"],
  indexes: [["tenant_id", "record_date"]],
});
