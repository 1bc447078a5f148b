/** What became of a table of the seed's inventory. */
export interface SeedTable {
  readonly id: string;
  readonly table: string;
  /** `view`: the engine replaces it, and a view keeps its name for dashboards. */
  readonly kind: "table" | "view" | "absent";
  readonly columns: readonly string[];
}

const entry = (id: string, table: string, columns: string, kind: SeedTable["kind"] = "table"): SeedTable => ({
  id,
  table,
  kind,
  columns: columns.split(" ").filter((name) => name !== ""),
});

const place = "tenant_id farm_id barn_id";

/** The seed's inventory, table by table, with the columns that it names. */
export const seedTables: readonly SeedTable[] = [
  entry("S5.1", "users", "id email password tenant_id created_at updated_at"),
  entry("S5.2", "roles", "id name"),
  entry("S5.3", "user_roles", "role_id user_id tenant_id"),
  entry("S5.4", "tenants", "id name status created_at updated_at"),
  entry("S5.5", "farms", "id tenant_id name location status created_at updated_at"),
  entry("S5.6", "barns", "id tenant_id farm_id name animal_type status created_at updated_at"),
  entry("S5.7", "batches", `id ${place} species start_date end_date status`),
  entry("S5.8", "devices", `id ${place} batch_id device_type serial_no status metadata`),
  entry("S5.9", "stations", `id ${place} name station_type status`),
  entry("S5.10", "cloud_dedupe", "tenant_id event_id first_seen_at", "view"),
  entry("S5.11", "telemetry_raw", `${place} device_id batch_id metric value unit occurred_at event_id`),
  entry("S5.12", "telemetry_agg", `${place} device_id metric bucket_start bucket_size avg min max count`),
  entry("S5.13", "analytics_event_dedupe", "tenant_id event_id first_seen_at", "view"),
  entry("S5.14", "analytics_session_state", "tenant_id session_id predicted_weight_kg confidence updated_at", "view"),
  entry("S5.15", "analytics_results", "tenant_id type metric value unit window occurred_at source_event_id trace_id payload"),
  entry("S5.16", "Example", "", "absent"),
  entry("S5.17", "media_object_cloud", "", "absent"),
  entry("S5.18", "ingress_dedupe", "tenant_id event_id first_seen_at expires_at topic hash"),
  entry("S5.19", "device_allowlist", "tenant_id device_id farm_id barn_id enabled notes updated_at"),
  entry("S5.20", "station_allowlist", "tenant_id station_id farm_id barn_id enabled notes updated_at"),
  entry("S5.21", "device_last_seen", "tenant_id device_id last_seen_at last_topic last_payload_hash updated_at"),
  entry("S5.22", "weight_sessions", `session_id ${place} device_id station_id batch_id status start_at end_at`),
  entry("S5.23", "session_weights", "session_id tenant_id weight_kg occurred_at event_id trace_id"),
  entry("S5.24", "session_media_bindings", "session_id tenant_id media_object_id occurred_at event_id trace_id is_bound"),
  entry("S5.25", "outbox", "", "absent"),
  entry("S5.26", "inference_results", `${place} device_id session_id media_id predicted_weight_kg confidence`),
  entry(
    "S5.27",
    "sync_outbox",
    "id tenant_id event_type occurred_at status priority attempt_count created_at updated_at",
    "view",
  ),
  entry("S5.28", "telemetry_raw", `id ${place} device_id metric value unit occurred_at ingested_at`),
  entry("S5.29", "telemetry_agg", `${place} device_id bucket_size bucket_start metric avg min max count`),
  entry(
    "S5.30",
    "media_objects",
    `id ${place} device_id session_id bucket object_key etag mime_type size_bytes captured_at created_at sha256`,
  ),
  entry(
    "S5.31",
    "sync_state",
    "tenant_id last_acked_event_id last_acked_at last_sent_batch_id consecutive_failures paused_until",
    "view",
  ),
];
