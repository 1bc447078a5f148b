import { AUTHOR_BYTES_MAX } from "../protocol/limits.ts";

/**
 * Sealing: what a deferred constraint trigger does at COMMIT, after the writer's own statements and before its locks go.
 * Positions are taken under the tenant's head lock, which nobody holds before COMMIT, so their order is the order of commits
 * and a reader that follows them never passes a transaction that commits late.
 */
export const engineSeal = `
-- Milliseconds since 1970 times 65,536, and more than every stamp this log has seen.
CREATE FUNCTION hayloft.next_stamp(_after bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $function$
  SELECT greatest(_after + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16)
$function$;

-- Locks the tenant's head until the transaction ends, and makes it when the tenant is new.
CREATE FUNCTION hayloft.lock_head(_tenant text) RETURNS hayloft.head LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
DECLARE
  _head hayloft.head;
BEGIN
  SELECT * INTO _head FROM hayloft.head WHERE tenant_id = _tenant FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO hayloft.head (tenant_id) VALUES (_tenant) ON CONFLICT DO NOTHING;
    SELECT * INTO _head FROM hayloft.head WHERE tenant_id = _tenant FOR UPDATE;
  END IF;
  RETURN _head;
END
$function$;

-- Writes the stamps of one commit's rows. Changes go in order, so that a delete after an insert leaves a tombstone. The delete
-- trigger has stored the values of deleted rows as $cells; an insert drops those of an earlier delete only.
CREATE FUNCTION hayloft.stamp_rows(_tenant text, _txn bigint, _stamp bigint, _node uuid) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  _change record;
  _mark jsonb := jsonb_build_array(_stamp::text, _node::text);
BEGIN
  FOR _change IN
    SELECT c.table_name, c.op, c.row_count, c.body::jsonb AS vectors,
      array_position(string_to_array(c.columns, ','), '$changed') - 1 AS changed_at,
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
      ELSE excluded.stamps END;
  END LOOP;
END
$function$;

-- Seals what this transaction changed for one tenant, or extends the commit that it sealed before. The digests, rows and bytes of
-- its changes come from the caller when there is only one change; null has them read.
CREATE FUNCTION hayloft.seal_tenant(_tenant text, _txn bigint, _lane smallint, _stamped boolean, _digests bytea, _rows integer, _bytes bigint)
  RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  _head record;
  _seq bigint;
  _stamp bigint;
  _previous bytea;
  _hash bytea;
  _author text := nullif(current_setting('hayloft.author', true), '');
BEGIN
  -- It may have been set after the last write.
  IF octet_length(_author) > ${AUTHOR_BYTES_MAX} THEN
    RAISE EXCEPTION USING ERRCODE = 'HL011', MESSAGE = 'The setting hayloft.author is longer than ${AUTHOR_BYTES_MAX} bytes.',
      HINT = 'Name the person shortly; no peer takes a commit with a longer name.';
  END IF;
  FOR _attempt IN 1 .. 2 LOOP
    SELECT h.incarnation, h.position, h.seq, h.stamp, h.hash, h.sealed_txn, r.node_id, r.tier, r.catalog_version
      INTO _head FROM hayloft.head h, hayloft.replica r WHERE h.tenant_id = _tenant FOR UPDATE OF h;
    EXIT WHEN FOUND;
    PERFORM hayloft.lock_head(_tenant);
  END LOOP;
  IF _head.node_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'HL011', MESSAGE = 'The table hayloft.replica is empty.', HINT = 'Run migrate before writing.';
  END IF;
  IF _digests IS NULL THEN
    SELECT string_agg(digest, ''::bytea ORDER BY ordinal), sum(row_count), sum(octet_length(body))
      INTO _digests, _rows, _bytes FROM hayloft.change WHERE tenant_id = _tenant AND txn = _txn;
  END IF;
  IF _head.sealed_txn = _txn THEN
    _seq := _head.seq;
    _stamp := _head.stamp;
    SELECT previous_hash INTO STRICT _previous FROM hayloft.commit WHERE tenant_id = _tenant AND position = _head.position;
  ELSE
    _seq := _head.seq + 1;
    _stamp := hayloft.next_stamp(_head.stamp);
    _previous := _head.hash;
  END IF;
  _hash := sha256(_previous || convert_to(concat(_head.incarnation, E'\\n', _seq, E'\\n', _stamp, E'\\n', _tenant, E'\\n',
    _head.node_id, E'\\n', _author, E'\\n', _head.catalog_version, E'\\n'), 'UTF8') || _digests);
  IF _head.sealed_txn = _txn THEN
    UPDATE hayloft.commit SET author = _author, hash = _hash, row_count = _rows, byte_count = _bytes, lane = _lane
      WHERE tenant_id = _tenant AND position = _head.position;
    UPDATE hayloft.head SET hash = _hash WHERE tenant_id = _tenant;
  ELSE
    INSERT INTO hayloft.commit (tenant_id, position, txn, origin, seq, stamp, node_id, tier, author, catalog_version,
      previous_hash, hash, row_count, byte_count, lane)
      VALUES (_tenant, _head.position + 1, _txn, _head.incarnation, _seq, _stamp, _head.node_id, _head.tier, _author,
        _head.catalog_version, _previous, _hash, _rows, _bytes, _lane);
    UPDATE hayloft.head SET position = _head.position + 1, seq = _seq, stamp = _stamp, hash = _hash, sealed_txn = _txn
      WHERE tenant_id = _tenant;
  END IF;
  IF _stamped THEN
    PERFORM hayloft.stamp_rows(_tenant, _txn, _stamp, _head.node_id);
  END IF;
END
$function$;

-- Fires once a transaction, for its first change. Tenants go in order, so that two transactions never wait for each other.
CREATE FUNCTION hayloft.seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $function$
DECLARE
  _state bigint[] := string_to_array(nullif(current_setting('hayloft.txn', true), ''), ' ')::bigint[];
  _tenant text;
BEGIN
  IF _state[1] IS DISTINCT FROM NEW.txn THEN
    RAISE EXCEPTION USING ERRCODE = 'HL011',
      MESSAGE = 'The setting hayloft.txn was changed within the transaction, so that its changes cannot be sealed.',
      HINT = 'Do not run RESET ALL, and do not set hayloft.txn, inside a transaction that writes.';
  END IF;
  IF _state[2] = 1 THEN
    PERFORM hayloft.seal_tenant(NEW.tenant_id, NEW.txn, _state[5]::smallint, _state[6] = 1, NEW.digest, NEW.row_count, octet_length(NEW.body));
  ELSE
    FOR _tenant IN SELECT name COLLATE "C" FROM unnest(current_setting('hayloft.tenants')::text[]) AS tenants (name) ORDER BY 1 LOOP
      PERFORM hayloft.seal_tenant(_tenant, NEW.txn, _state[5]::smallint, _state[6] = 1, NULL, NULL, NULL);
    END LOOP;
  END IF;
  -- From here on every further change of this transaction fires again, and extends the commit.
  PERFORM set_config('hayloft.sealed', 'on', true);
  RETURN NULL;
END
$function$;

CREATE CONSTRAINT TRIGGER hayloft_seal AFTER INSERT ON hayloft.change DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((NEW.ordinal = 1 OR current_setting('hayloft.sealed', true) = 'on')
    AND current_setting('hayloft.applying', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION hayloft.seal();
ALTER TABLE hayloft.change ENABLE ALWAYS TRIGGER hayloft_seal;
`;
