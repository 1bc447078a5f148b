import { PART_BYTES } from "../protocol/commit-parts.ts";
import { AUTHOR_BYTES_MAX, defaultLimits, ROW_BYTES_MAX } from "../protocol/limits.ts";

/** What the frames of a commit's parts take beside its rows, generously. */
const PART_FRAME_BYTES = 4_096;

/** What one local transaction may change at most; above it fails with SQLSTATE HL010 (`commit-too-large`). */
export interface CommitLimits {
  readonly rowsMax: number;
  /** Bytes of the changes' bodies. */
  readonly bytesMax: number;
}

/**
 * What is captured must be within the protocol's limits of one commit, or it would stop the log for ever. Encoded, a body takes
 * no more than in the log, and each part a little.
 */
export const defaultCommitLimits: CommitLimits = {
  rowsMax: defaultLimits.commitRowsMax,
  bytesMax: defaultLimits.commitBytesMax - defaultLimits.commitPartsMax * PART_FRAME_BYTES,
};

/** Rows in one row of `hayloft.change` at most. */
export const SLICE_ROWS = 1000;
/** Bytes of a body above which the rows are cut by what they take, so that a change always fits a frame. */
export const SLICE_BYTES = PART_BYTES;

/**
 * The functions behind every capture trigger. The transaction's state is one transaction-local setting, so that a savepoint
 * that is rolled back takes its part of the state with it: `txn ordinal rows bytes lane stamped`.
 */
export function recordChangeDdl(limits: CommitLimits): string {
  const hint = `HINT = 'Write it in smaller transactions.'`;
  return `CREATE OR REPLACE FUNCTION hayloft.check_commit_rows(_rows bigint) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
  IF _rows > ${limits.rowsMax} THEN
    RAISE EXCEPTION USING ERRCODE = 'HL010', ${hint},
      MESSAGE = format('The transaction changes %s rows; one commit holds at most ${limits.rowsMax}.', _rows);
  END IF;
END
$function$;

-- A statement is captured after the row triggers that it fires, and after statement triggers whose names sort before ours. What these
-- write to the same table would come before it in the log. Triggers that write to other tables do no harm.
CREATE OR REPLACE FUNCTION hayloft.check_nested(_relation oid, _table text, _stack text) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  _trigger name;
BEGIN
  SELECT t.tgname INTO _trigger FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = _relation AND NOT t.tgisinternal AND t.tgtype & 66 = 0 AND (t.tgtype & 1 = 1 OR t.tgname < 'hayloft_')
      AND (strpos(_stack, ' ' || quote_ident(p.proname) || '(') > 0 OR strpos(_stack, '.' || quote_ident(p.proname) || '(') > 0)
    LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'HL012', TABLE = _table,
      MESSAGE = format('The trigger %s of %s writes to %s itself, so that the log would hold the two statements in the wrong order.', _trigger, _table, _table),
      HINT = 'Change NEW in a BEFORE trigger, or write in an AFTER trigger FOR EACH STATEMENT whose name sorts behind hayloft_.';
  END IF;
END
$function$;

CREATE OR REPLACE FUNCTION hayloft.record_change(_tenant text, _table text, _op text, _columns text, _rows integer, _body text,
  _lane integer, _stamped integer) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  _state bigint[] := string_to_array(nullif(current_setting('hayloft.txn', true), ''), ' ')::bigint[];
  _tenants text[] := nullif(current_setting('hayloft.tenants', true), '')::text[];
BEGIN
  IF _state IS NULL THEN
    _state := ARRAY[nextval('hayloft.txn'), 0, 0, 0, 3, 0];
    _tenants := NULL;
  END IF;
  IF octet_length(_body) > ${ROW_BYTES_MAX} THEN
    RAISE EXCEPTION USING ERRCODE = 'HL014', TABLE = _table,
      MESSAGE = format('A row of %s takes %s bytes; a row takes at most ${ROW_BYTES_MAX}.', _table, octet_length(_body)),
      HINT = 'Keep large contents in files, or in several rows.';
  END IF;
  IF octet_length(current_setting('hayloft.author', true)) > ${AUTHOR_BYTES_MAX} THEN
    RAISE EXCEPTION USING ERRCODE = 'HL011', MESSAGE = 'The setting hayloft.author is longer than ${AUTHOR_BYTES_MAX} bytes.',
      HINT = 'Name the person shortly; no peer takes a commit with a longer name.';
  END IF;
  _state := ARRAY[_state[1], _state[2] + 1, _state[3] + _rows, _state[4] + octet_length(_body),
    least(_state[5], _lane), greatest(_state[6], _stamped)];
  IF _state[3] > ${limits.rowsMax} OR _state[4] > ${limits.bytesMax} THEN
    RAISE EXCEPTION USING ERRCODE = 'HL010', ${hint},
      MESSAGE = format('The transaction changes %s rows and %s bytes; one commit holds at most ${limits.rowsMax} and ${limits.bytesMax}.',
        _state[3], _state[4]);
  END IF;
  PERFORM set_config('hayloft.txn', array_to_string(_state, ' '), true);
  IF _tenants IS NULL OR NOT _tenant = ANY (_tenants) THEN
    PERFORM set_config('hayloft.tenants', (coalesce(_tenants, '{}') || _tenant)::text, true);
  END IF;
  INSERT INTO hayloft.change (tenant_id, txn, ordinal, table_name, op, columns, row_count, body, digest)
    VALUES (_tenant, _state[1], _state[2], _table, _op, _columns, _rows, _body,
      sha256(convert_to(concat(_table, E'\\n', _op, E'\\n', _columns, E'\\n', _body), 'UTF8')));
END
$function$;`;
}
