import {
  appendOnly,
  days,
  derived,
  forever,
  integer,
  jsonb,
  local,
  monotoneRow,
  numeric,
  oneOf,
  table,
  text,
  timestamptz,
} from "@hayloft/engine";
import { createdAt, measured, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";

/** Widths of the aggregate buckets. */
export const bucketSizes = ["1m", "5m", "1h", "1d"] as const;

const barnScope = { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" } as const;

// The highest volume of all. It names farm, barn, device and batch without foreign keys: a reading must never wait for, or
// be refused because of, a registry row, and the ingress has checked the ids against the allowlist.
// The unique event key contains the partition column, as Postgres wants it; `insertTelemetry` closes that gap.
export const telemetryRaw = table("telemetry_raw", {
  about: "Readings of sensors, one row each.",
  group: "telemetry",
  category: "telemetry",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    batch_id: outsideId().nullable(),
    metric: outsideId(),
    value: measured(),
    unit: text().nullable(),
    occurred_at: timestamptz(),
    event_id: outsideId(),
    trace_id: text().nullable(),
    ingested_at: createdAt(),
  },
  primaryKey: ["tenant_id", "id", "occurred_at"],
  unique: [{ columns: ["tenant_id", "event_id", "occurred_at"] }],
  indexes: [
    ["tenant_id", "occurred_at desc"],
    ["tenant_id", "device_id", "metric", "occurred_at desc"],
  ],
  partition: { by: "occurred_at", every: "month" },
  scope: barnScope,
  writers: ["edge"],
  flow: "up",
  rule: appendOnly(),
  retain: { cloud: days(730, "occurred_at"), edge: days(90, "occurred_at") },
  lane: 3,
});

export const telemetryAgg = table("telemetry_agg", {
  about: "Aggregates of readings, computed by the same code at every tier that has the readings.",
  group: "telemetry",
  category: "telemetry",
  columns: {
    tenant_id: tenantId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    metric: outsideId(),
    bucket_start: timestamptz(),
    bucket_size: oneOf(...bucketSizes),
    avg: measured(),
    min: measured(),
    max: measured(),
    sum: numeric(20, 4),
    count: integer().check("{} > 0"),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "farm_id", "barn_id", "device_id", "metric", "bucket_start", "bucket_size"],
  indexes: [
    ["tenant_id", "bucket_start desc"],
    ["tenant_id", "device_id", "metric", "bucket_start desc"],
  ],
  partition: { by: "bucket_start", every: "month" },
  scope: barnScope,
  writers: ["cloud", "edge"],
  flow: "local",
  rule: derived(),
  retain: { cloud: forever, edge: days(365, "bucket_start") },
  lane: 3,
});

// One row per device and metric and hour that has readings which the aggregates do not know yet.
export const telemetryRollupDue = table("telemetry_rollup_due", {
  about: "Hours whose aggregates must be computed again.",
  group: "telemetry",
  category: "telemetry",
  columns: {
    tenant_id: tenantId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    metric: outsideId(),
    hour_start: timestamptz(),
    marked_at: createdAt(),
  },
  primaryKey: ["tenant_id", "farm_id", "barn_id", "device_id", "metric", "hour_start"],
  indexes: [["marked_at"]],
  scope: barnScope,
  writers: ["cloud", "edge"],
  flow: "local",
  rule: local(),
  retain: { cloud: forever, edge: forever },
});

// Written at most once per device and minute, from any message. No foreign key: an unknown device is seen, too.
export const deviceLastSeen = table("device_last_seen", {
  about: "When each device was last heard, and what it said about itself.",
  group: "telemetry",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    device_id: outsideId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    last_seen_at: timestamptz(),
    last_topic: text(),
    last_payload_hash: text().nullable(),
    status: oneOf("online", "offline").default("'online'"),
    firmware_version: text().nullable(),
    signal_strength_dbm: integer().nullable(),
    health_score: integer().nullable().check("{} between 0 and 100"),
    health: jsonb<Readonly<Record<string, boolean>>>().nullable(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "device_id"],
  indexes: [["tenant_id", "last_seen_at"]],
  scope: barnScope,
  writers: ["edge"],
  flow: "up",
  rule: monotoneRow("last_seen_at"),
  retain: { cloud: forever, edge: forever },
  lane: 2,
});
