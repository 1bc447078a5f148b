/**
 * Memory of cells: at COMMIT the operations that a transaction captured (`$ops`) are put into `row_state`, under the stamp of the
 * commit. The database only ever appends; what the operations mean is for the rules to say.
 */
export const engineMemory = `
-- The columns whose rules merge operations, written by migrate. keeps_author: entries name the person and the tier.
CREATE TABLE hayloft.memory_column (
  table_name text COLLATE "C" NOT NULL,
  column_name text COLLATE "C" NOT NULL,
  keeps_author boolean NOT NULL,
  PRIMARY KEY (table_name, column_name)
);

-- A stamps document with one row's operations at the end of its memories. A commit that is extended is stamped again, so what is
-- there already is left as it is.
CREATE FUNCTION hayloft.append_ops(_stamps jsonb, _table text, _ops jsonb, _mark jsonb, _first boolean, _more jsonb) RETURNS jsonb
  LANGUAGE sql STABLE AS $function$
  SELECT _stamps || jsonb_build_object('$memory', coalesce(_stamps -> '$memory', '{}') || coalesce((
    SELECT jsonb_object_agg(op.key, coalesce(known.memory, '{}') || jsonb_build_object('ops',
      coalesce(known.memory -> 'ops', '[]') || jsonb_build_array(_mark || jsonb_build_array(_ops -> '$at', _first, op.value,
        jsonb_strip_nulls(CASE WHEN c.keeps_author THEN _more ELSE '{}' END || jsonb_build_object('seen', _ops -> '$seen'))))))
    FROM jsonb_each(_ops) AS op (key, value)
      JOIN hayloft.memory_column c ON c.table_name = _table AND c.column_name = op.key
      CROSS JOIN LATERAL (SELECT _stamps -> '$memory' -> op.key AS memory) AS known
    WHERE NOT EXISTS (SELECT 1 FROM jsonb_array_elements(known.memory -> 'ops') AS entry (item)
      WHERE item -> 0 = _mark -> 0 AND item -> 1 = _mark -> 1 AND item -> 2 = _ops -> '$at')), '{}'))
$function$;

-- Writes the stamps of one commit's rows. Changes go in order, so that a delete after an insert leaves a tombstone. The delete
-- trigger has stored the values of deleted rows as $cells; an insert drops those of an earlier delete only. Memories stay through all.
CREATE OR REPLACE FUNCTION hayloft.stamp_rows(_tenant text, _txn bigint, _stamp bigint, _node uuid) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  _change record;
  _mark jsonb := jsonb_build_array(_stamp::text, _node::text);
  _more jsonb;
BEGIN
  FOR _change IN
    SELECT c.table_name, c.op, c.row_count, c.body::jsonb AS vectors,
      array_position(string_to_array(c.columns, ','), '$changed') - 1 AS changed_at,
      array_position(string_to_array(c.columns, ','), '$ops') - 1 AS ops_at,
      array(SELECT array_position(string_to_array(c.columns, ','), key.name) - 1
        FROM unnest(s.key_columns) WITH ORDINALITY AS key (name, place) ORDER BY key.place) AS key_at,
      c.op = 'insert' AND EXISTS (SELECT 1 FROM hayloft.change d WHERE d.tenant_id = c.tenant_id AND d.txn = c.txn
        AND d.ordinal > c.ordinal AND d.table_name = c.table_name AND d.op = 'delete') AS keeps_cells
    FROM hayloft.change c JOIN hayloft.stamped_table s ON s.table_name = c.table_name
    WHERE c.tenant_id = _tenant AND c.txn = _txn AND c.op <> 'evict'
    ORDER BY c.ordinal
  LOOP
    INSERT INTO hayloft.row_state AS state (tenant_id, table_name, row_key, stamps)
    SELECT _tenant, _change.table_name,
      (SELECT coalesce(string_agg(_change.vectors -> key.place ->> item, E'\\x1f' ORDER BY key.number), '')
        FROM unnest(_change.key_at) WITH ORDINALITY AS key (place, number)),
      CASE _change.op
        WHEN 'insert' THEN jsonb_build_object('$row', _mark)
        WHEN 'delete' THEN jsonb_build_object('$deleted', _mark)
        ELSE (SELECT jsonb_object_agg(changed.name, _mark)
          FROM unnest(string_to_array(_change.vectors -> _change.changed_at ->> item, ',')) AS changed (name))
      END
    FROM generate_series(0, _change.row_count - 1) AS item
    ON CONFLICT (tenant_id, table_name, row_key) DO UPDATE SET stamps = CASE
      WHEN _change.op <> 'insert' THEN state.stamps || excluded.stamps
      WHEN _change.keeps_cells AND state.stamps ? '$cells' THEN excluded.stamps || jsonb_build_object('$cells', state.stamps -> '$cells')
      ELSE excluded.stamps END
      || CASE WHEN _change.op = 'insert' AND state.stamps ? '$memory'
        THEN jsonb_build_object('$memory', state.stamps -> '$memory', '$seen', coalesce(state.stamps -> '$seen', '{}')) ELSE '{}' END;
    CONTINUE WHEN _change.ops_at IS NULL;
    IF _more IS NULL THEN
      SELECT jsonb_build_object('tier', r.tier, 'author', nullif(current_setting('hayloft.author', true), '')) INTO _more FROM hayloft.replica r;
    END IF;
    UPDATE hayloft.row_state AS state
      SET stamps = hayloft.append_ops(state.stamps, _change.table_name, captured.ops, _mark, _change.op = 'insert', _more)
      FROM (SELECT (SELECT coalesce(string_agg(_change.vectors -> key.place ->> item, E'\\x1f' ORDER BY key.number), '')
          FROM unnest(_change.key_at) WITH ORDINALITY AS key (place, number)) AS row_key,
          (_change.vectors -> _change.ops_at ->> item)::jsonb AS ops
        FROM generate_series(0, _change.row_count - 1) AS item) AS captured
      WHERE state.tenant_id = _tenant AND state.table_name = _change.table_name AND state.row_key = captured.row_key
        AND captured.ops IS NOT NULL;
  END LOOP;
END
$function$;
`;
