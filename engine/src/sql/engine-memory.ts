import { SET_ELEMENT_CHARACTERS_MAX, SET_ELEMENTS_MAX } from "../merge/memory/set-union.ts";

/**
 * Memory of cells: at COMMIT the operations that a transaction captured (`$ops`) are put into `row_state`, under the stamp of the
 * commit. The database only ever appends; what the operations mean is for the rules to say.
 */
export const engineMemory = `
-- The columns whose rules merge operations, written by migrate. keeps_author: entries name the person and the tier.
CREATE TABLE hayloft.memory_column (
  table_name text COLLATE "C" NOT NULL,
  column_name text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
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

-- A set of texts as it is stored: in the order of code points, each once. Raises HL015 for what is no array of texts.
CREATE FUNCTION hayloft.text_set(_value jsonb, _table text, _column text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $function$
DECLARE
  _set jsonb;
BEGIN
  IF jsonb_typeof(_value) IS DISTINCT FROM 'array' THEN
    RAISE EXCEPTION USING ERRCODE = 'HL015', TABLE = _table, COLUMN = _column,
      MESSAGE = format('The column %s of %s is a set and must be a JSON array of texts.', _column, _table),
      HINT = 'Write for example ''["a", "b"]'', and ''[]'' for nothing.';
  END IF;
  SELECT coalesce(jsonb_agg(e.item ORDER BY e.item COLLATE "C"), '[]') INTO _set FROM (
    SELECT DISTINCT CASE WHEN jsonb_typeof(a.item) = 'string' THEN a.item #>> '{}' END AS item FROM jsonb_array_elements(_value) AS a (item)) AS e;
  IF _set @> '[null]' OR jsonb_array_length(_set) > ${SET_ELEMENTS_MAX}
    OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(_set) AS t (item) WHERE length(item) > ${SET_ELEMENT_CHARACTERS_MAX / 2}) THEN
    RAISE EXCEPTION USING ERRCODE = 'HL015', TABLE = _table, COLUMN = _column,
      MESSAGE = format('The column %s of %s holds at most ${SET_ELEMENTS_MAX} texts of at most ${SET_ELEMENT_CHARACTERS_MAX / 2} characters.', _column, _table),
      HINT = 'Write texts only; numbers and objects go in quotes or in a column of their own.';
  END IF;
  RETURN _set;
END
$function$;

-- Before a local write: puts sets into their stored form. The arguments are the table's name and its columns.
CREATE FUNCTION hayloft.normalise_sets() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
  _row jsonb := to_jsonb(NEW);
  _sets jsonb := '{}';
BEGIN
  FOR _place IN 1 .. TG_NARGS - 1 LOOP
    _sets := _sets || jsonb_build_object(TG_ARGV[_place], hayloft.text_set(_row -> TG_ARGV[_place], TG_ARGV[0], TG_ARGV[_place]));
  END LOOP;
  RETURN jsonb_populate_record(NEW, _sets);
END
$function$;

-- What turns one set into another.
CREATE FUNCTION hayloft.set_op(_before jsonb, _after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $function$
  SELECT jsonb_build_object(
    'add', (SELECT coalesce(jsonb_agg(item), '[]') FROM jsonb_array_elements(_after) AS a (item) WHERE NOT coalesce(_before, '[]') @> jsonb_build_array(item)),
    'remove', (SELECT coalesce(jsonb_agg(item), '[]') FROM jsonb_array_elements(coalesce(_before, '[]')) AS b (item) WHERE NOT _after @> jsonb_build_array(item)))
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
        WHEN 'delete' THEN jsonb_build_object('$deleted', _mark) || CASE WHEN _change.ops_at IS NULL THEN '{}' ELSE jsonb_build_object('$gone',
          coalesce((_change.vectors -> _change.ops_at ->> item)::jsonb -> '$seen', '{}') || jsonb_build_object(_node::text, _stamp::text)) END
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
    CONTINUE WHEN _change.ops_at IS NULL OR _change.op = 'delete';
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

-- Versions of reviewed columns that nobody who had seen them has replaced, of rows that are there and where they differ.
CREATE VIEW hayloft.open_review AS
WITH entry AS (
  SELECT s.tenant_id, s.table_name, s.row_key, c.column_name, (op.item ->> 0)::bigint AS stamp, op.item ->> 1 AS node, (op.item -> 2)::integer AS at,
    op.item ->> 4 AS value, op.item -> 5 ->> 'author' AS author, op.item -> 5 ->> 'tier' AS tier, op.item -> 5 -> 'seen' AS seen
  FROM hayloft.memory_column c
    JOIN hayloft.row_state s ON s.table_name = c.table_name
    CROSS JOIN LATERAL jsonb_array_elements(s.stamps -> '$memory' -> c.column_name -> 'ops') AS op (item)
  WHERE c.rule = 'review' AND s.stamps ? '$memory' AND NOT s.stamps ? '$cells'
), version AS (
  SELECT tenant_id, table_name, row_key, column_name, stamp, node, at, value, author, tier FROM entry
  UNION ALL
  SELECT s.tenant_id, s.table_name, s.row_key, c.column_name, (v.item -> 0 ->> 0)::bigint, v.item -> 0 ->> 1, (v.item -> 0 -> 2)::integer,
    v.item ->> 1, v.item ->> 2, v.item ->> 3
  FROM hayloft.memory_column c
    JOIN hayloft.row_state s ON s.table_name = c.table_name
    CROSS JOIN LATERAL jsonb_array_elements(s.stamps -> '$memory' -> c.column_name -> 'base' -> 'state') AS v (item)
  WHERE c.rule = 'review' AND s.stamps ? '$memory' AND NOT s.stamps ? '$cells'
)
SELECT v.tenant_id, v.table_name, v.row_key, v.column_name, jsonb_agg(jsonb_build_object(
    'value', v.value, 'author', v.author, 'tier', v.tier, 'node', v.node, 'stamp', v.stamp::text) ORDER BY v.stamp, v.node, v.at) AS versions
FROM version v
WHERE NOT EXISTS (SELECT 1 FROM entry e
  WHERE e.tenant_id = v.tenant_id AND e.table_name = v.table_name AND e.row_key = v.row_key AND e.column_name = v.column_name
    AND CASE WHEN e.node = v.node THEN (e.stamp, e.at) > (v.stamp, v.at) ELSE v.stamp <= e.stamp AND coalesce((e.seen ->> v.node)::bigint, 0) >= v.stamp END)
GROUP BY v.tenant_id, v.table_name, v.row_key, v.column_name
HAVING count(DISTINCT coalesce('v' || v.value, 'null')) > 1;
`;
