import type { Migration } from "@hayloft/engine";

// Functions and views over the tables. The last four carry the names and columns of tables that the engine replaces, so that
// dashboards built on those keep working. They are read only and hold no rows of their own.
export const views: Migration = {
  name: "0002_views",
  sql: `
CREATE FUNCTION batch_at(tenant text, barn text, at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $function$
  -- The batch that was in the barn on that day of UTC; where two overlap, the one that began last.
  SELECT b.id FROM batches b
  WHERE b.tenant_id = tenant AND b.barn_id = barn AND b.status <> 'cancelled'
    AND b.start_date <= (at AT TIME ZONE 'UTC')::date
    AND (b.end_date IS NULL OR b.end_date >= (at AT TIME ZONE 'UTC')::date)
  ORDER BY b.start_date DESC, b.id DESC
  LIMIT 1
$function$;

CREATE VIEW effective_threshold_rules AS
SELECT DISTINCT ON (b.tenant_id, b.id, r.metric, r.op)
  b.tenant_id, b.farm_id, b.id AS barn_id, r.metric, r.op, r.value, r.duration_s, r.severity, r.enabled, r.id AS rule_id,
  CASE WHEN r.barn_id IS NOT NULL THEN 'barn' WHEN r.farm_id IS NOT NULL THEN 'farm' ELSE 'tenant' END AS set_for
FROM barns b
JOIN config_threshold_rules r
  ON r.tenant_id = b.tenant_id
 AND (r.farm_id IS NULL OR r.farm_id = b.farm_id)
 AND (r.barn_id IS NULL OR r.barn_id = b.id)
ORDER BY b.tenant_id, b.id, r.metric, r.op, r.barn_id IS NOT NULL DESC, r.farm_id IS NOT NULL DESC;

CREATE VIEW effective_target_curves AS
SELECT DISTINCT ON (b.tenant_id, b.id, c.species, c.day)
  b.tenant_id, b.farm_id, b.id AS barn_id, c.species, c.day, c.target_weight_kg, c.target_fcr, c.id AS curve_id,
  CASE WHEN c.barn_id IS NOT NULL THEN 'barn' WHEN c.farm_id IS NOT NULL THEN 'farm' ELSE 'tenant' END AS set_for
FROM barns b
JOIN config_target_curves c
  ON c.tenant_id = b.tenant_id
 AND (c.farm_id IS NULL OR c.farm_id = b.farm_id)
 AND (c.barn_id IS NULL OR c.barn_id = b.id)
ORDER BY b.tenant_id, b.id, c.species, c.day, c.barn_id IS NOT NULL DESC, c.farm_id IS NOT NULL DESC;

CREATE VIEW analytics_session_state AS
SELECT DISTINCT ON (i.tenant_id, i.weight_session_id)
  i.tenant_id, s.session_id, s.station_id, s.id AS weight_session_id, i.predicted_weight_kg, i.confidence,
  i.event_id AS last_event_id, i.trace_id AS last_trace_id, i.occurred_at AS updated_at
FROM inference_results i
JOIN weight_sessions s ON s.tenant_id = i.tenant_id AND s.id = i.weight_session_id
ORDER BY i.tenant_id, i.weight_session_id, i.occurred_at DESC, i.event_id DESC;

CREATE VIEW late_barn_records AS
SELECT r.record_table, r.tenant_id, r.id, r.farm_id, r.barn_id, r.batch_id, r.occurred_at, b.status AS batch_status, b.end_date
FROM (
  SELECT 'barn_mortality_event' AS record_table, tenant_id, id, farm_id, barn_id, batch_id, occurred_at FROM barn_mortality_event
  UNION ALL SELECT 'barn_cull_event', tenant_id, id, farm_id, barn_id, batch_id, occurred_at FROM barn_cull_event
  UNION ALL SELECT 'barn_morbidity_event', tenant_id, id, farm_id, barn_id, batch_id, occurred_at FROM barn_morbidity_event
  UNION ALL SELECT 'barn_vaccine_event', tenant_id, id, farm_id, barn_id, batch_id, occurred_at FROM barn_vaccine_event
  UNION ALL SELECT 'barn_treatment_event', tenant_id, id, farm_id, barn_id, batch_id, occurred_at FROM barn_treatment_event
  UNION ALL SELECT 'barn_welfare_check', tenant_id, id, farm_id, barn_id, batch_id, occurred_at FROM barn_welfare_check
) r
JOIN batches b ON b.tenant_id = r.tenant_id AND b.id = r.batch_id
WHERE b.status <> 'active' AND (b.end_date IS NULL OR (r.occurred_at AT TIME ZONE 'UTC')::date > b.end_date);

CREATE VIEW sync_outbox AS
SELECT
  hayloft.derived_id('sync_outbox', ARRAY[c.origin::text, c.seq::text]) AS id,
  c.tenant_id,
  NULL::text AS farm_id, NULL::text AS barn_id, NULL::text AS device_id, NULL::text AS session_id,
  (SELECT string_agg(DISTINCT d.table_name, ',' ORDER BY d.table_name) FROM hayloft.change d
    WHERE d.tenant_id = c.tenant_id AND d.txn = c.txn) AS event_type,
  c.sealed_at AS occurred_at,
  NULL::text AS trace_id,
  NULL::jsonb AS payload_json,
  c.byte_count AS payload_size_bytes,
  CASE
    WHEN q.code IS NOT NULL THEN 'failed'
    WHEN r.tier = 'cloud' OR (p.acked_incarnation = h.incarnation AND p.acked_position >= c.position) THEN 'acked'
    ELSE 'pending'
  END AS status,
  c.lane::integer AS priority,
  0 AS attempt_count,
  p.last_contact_at AS last_attempt_at,
  NULL::timestamptz AS next_attempt_at,
  q.code AS last_error_code,
  q.held_at AS failed_at,
  q.code AS dlq_reason,
  c.sealed_at AS created_at,
  coalesce(q.held_at, p.acked_at, c.sealed_at) AS updated_at
FROM hayloft.commit c
CROSS JOIN hayloft.replica r
JOIN hayloft.head h ON h.tenant_id = c.tenant_id
LEFT JOIN hayloft.peer p ON p.tenant_id = c.tenant_id AND p.relation = 'parent'
LEFT JOIN hayloft.quarantine q ON q.tenant_id = c.tenant_id AND q.origin = c.origin AND q.seq = c.seq
WHERE c.via IS NULL OR c.via IS DISTINCT FROM p.node_id;

CREATE VIEW sync_state AS
SELECT
  p.tenant_id,
  (SELECT hayloft.derived_id('sync_outbox', ARRAY[c.origin::text, c.seq::text]) FROM hayloft.commit c
    WHERE c.tenant_id = p.tenant_id AND c.position = p.acked_position) AS last_acked_event_id,
  p.acked_at AS last_acked_at,
  NULL::uuid AS last_sent_batch_id,
  CASE WHEN p.last_error_at > coalesce(p.last_contact_at, p.acked_at, '-infinity') THEN 1 ELSE 0 END AS consecutive_failures,
  NULL::timestamptz AS paused_until
FROM hayloft.peer p
WHERE p.relation = 'parent';

CREATE VIEW cloud_dedupe AS
SELECT tenant_id, event_id, ingested_at AS first_seen_at FROM telemetry_raw
UNION ALL SELECT tenant_id, event_id, created_at FROM session_weights
UNION ALL SELECT tenant_id, event_id, created_at FROM session_media_bindings
UNION ALL SELECT tenant_id, event_id, created_at FROM inference_results
UNION ALL SELECT tenant_id, event_id, created_at FROM feed_intake_record WHERE event_id IS NOT NULL;

CREATE VIEW analytics_event_dedupe AS
SELECT tenant_id, source_event_id AS event_id, min(created_at) AS first_seen_at
FROM analytics_results
GROUP BY tenant_id, source_event_id;
`,
};
