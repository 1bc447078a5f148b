import type { Migration } from "@hayloft/engine";

// What a machine must not decide: a withdrawal time that becomes shorter has a person's name and an audit event, on whatever tier and
// by whatever program it is written. What waits for a decision has a view.
export const peopleDecide: Migration = {
  name: "0003_people_decide",
  sql: `
CREATE FUNCTION withdrawal_is_named() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  _author text := nullif(current_setting('hayloft.author', true), '');
BEGIN
  IF _author IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_is_named',
      MESSAGE = format('The withdrawal time of treatment %s cannot become shorter (%s to %s days) without the name of a person.',
        NEW.id, OLD.withdrawal_days, coalesce(NEW.withdrawal_days::text, 'no')),
      HINT = 'Write in a transaction that sets hayloft.author to the name of who decides it.';
  END IF;
  INSERT INTO audit_events (tenant_id, id, actor_id, actor_role, action, resource_type, resource_id, summary, metadata_json, node_id)
  VALUES (NEW.tenant_id, hayloft.derived_id('audit_events', ARRAY['withdrawal', NEW.id::text, clock_timestamp()::text,
      coalesce(current_setting('hayloft.txn', true), '')]), left(_author, 128), 'operator', 'treatment.withdrawal-shortened',
    'barn_treatment_event', NEW.id::text,
    format('%s: withdrawal time from %s to %s days', NEW.treatment_name, OLD.withdrawal_days, coalesce(NEW.withdrawal_days::text, 'no')),
    jsonb_build_object('from', OLD.withdrawal_days, 'to', NEW.withdrawal_days), (SELECT node_id::text FROM hayloft.replica));
  RETURN NULL;
END
$function$;

-- Not while the engine applies: the tier that wrote it has written its audit event, which travels by itself.
CREATE TRIGGER withdrawal_is_named AFTER UPDATE OF withdrawal_days ON barn_treatment_event FOR EACH ROW
  WHEN (OLD.withdrawal_days IS NOT NULL AND (NEW.withdrawal_days IS NULL OR NEW.withdrawal_days < OLD.withdrawal_days)
    AND current_setting('hayloft.applying', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION withdrawal_is_named();

-- A row per cell that two people wrote without knowing of each other: what shows, and all the values with who wrote them.
CREATE VIEW values_to_review AS
SELECT r.tenant_id, t.farm_id, t.barn_id, r.table_name, t.id, t.occurred_at::date AS record_date, t.treatment_name AS subject,
  r.column_name, t.withdrawal_days::text AS shown, r.versions
FROM hayloft.open_review r
JOIN barn_treatment_event t
  ON t.tenant_id = r.tenant_id AND t.id = CASE WHEN r.table_name = 'barn_treatment_event' THEN r.row_key::uuid END
UNION ALL
SELECT r.tenant_id, c.farm_id, c.barn_id, r.table_name, c.id, c.record_date, 'daily count', r.column_name,
  CASE r.column_name WHEN 'animal_count' THEN c.animal_count::text WHEN 'average_weight_kg' THEN c.average_weight_kg::text
    WHEN 'mortality_count' THEN c.mortality_count::text WHEN 'cull_count' THEN c.cull_count::text END,
  r.versions
FROM hayloft.open_review r
JOIN barn_daily_count c ON c.tenant_id = r.tenant_id AND c.id = CASE WHEN r.table_name = 'barn_daily_count' THEN r.row_key::uuid END;
`,
};
