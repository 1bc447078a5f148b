import type { Catalog } from "../catalog/catalog.ts";
import {
  capturedColumns,
  identityColumns,
  isReplicated,
  keepsRowState,
  keepsTombstones,
  movingColumns,
  rowKeyColumns,
} from "../catalog/table-facts.ts";
import type { Table } from "../catalog/table.ts";
import { quarantinedView } from "./engine-quarantine.ts";
import { memoryCapture, memoryColumnsDdl, setColumns } from "./memory-capture.ts";
import { OPS_COLUMN } from "../merge/memory/row-ops.ts";
import { SLICE_BYTES, SLICE_ROWS, recordChangeDdl } from "./record-change-ddl.ts";
import type { CommitLimits } from "./record-change-ddl.ts";
import { checkReinserts } from "./reinsert-guards.ts";
import { objectName, sqlName, sqlText } from "./sql-name.ts";
import { refusalStates } from "./sqlstate.ts";
import type { WriteGuard, WriteRefusal } from "./write-guards.ts";
import { changed, deleteGuards, insertGuards, refusalFor, updateGuards, written } from "./write-guards.ts";

type WriteOp = "insert" | "update" | "delete";

/** While the engine applies foreign commits, capture and guards are off. */
export const notApplying = "WHEN (current_setting('hayloft.applying', true) IS DISTINCT FROM 'on')";

/** The names of the triggers that `captureDdl` gives a table on this tier. */
export function captureTriggers(table: Table, tier: string): readonly string[] {
  const ops = (["insert", "update", "delete"] as const).filter(
    (op) => isReplicated(table) || refusalFor(table, tier, op) !== null,
  );
  const sets = writesSets(table, tier) ? ["hayloft_normalise"] : [];
  return [...ops.map((op) => `hayloft_${op}`), ...(isReplicated(table) ? ["hayloft_truncate"] : []), ...sets];
}

/**
 * Everything that makes writes captured and guarded on one tier: triggers and their functions, generated from the catalog.
 * Replaces what an earlier catalog had.
 */
export function captureDdl(catalog: Catalog, tier: string, limits: CommitLimits): string {
  const stamped = catalog.tables.filter(keepsRowState);
  const values = stamped.map(
    (table) => `(${sqlText(table.name)}, ARRAY[${rowKeyColumns(table).map(sqlText).join(", ")}]::text[])`,
  );
  return [
    dropCapture,
    recordChangeDdl(limits),
    refuseDdl,
    `DELETE FROM hayloft.stamped_table;`,
    values.length === 0 ? "" : `INSERT INTO hayloft.stamped_table (table_name, key_columns) VALUES\n  ${values.join(",\n  ")};`,
    memoryColumnsDdl(catalog.tables),
    ...catalog.tables.map((table) => tableCaptureDdl(catalog, table, tier)),
    quarantinedView(catalog),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** Removes the triggers and functions that an earlier `captureDdl` made, on whatever tables they are. */
const dropCapture = `DO $do$
DECLARE
  _item record;
BEGIN
  FOR _item IN SELECT t.tgname, t.tgrelid::regclass AS relation FROM pg_trigger t
    WHERE t.tgname IN ('hayloft_insert', 'hayloft_update', 'hayloft_delete', 'hayloft_truncate', 'hayloft_normalise', 'hayloft_leaf') AND t.tgparentid = 0
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', _item.tgname, _item.relation);
  END LOOP;
  FOR _item IN SELECT p.oid::regprocedure AS routine FROM pg_proc p
    WHERE p.pronamespace = 'hayloft'::regnamespace AND p.proname LIKE 'capture\\_%'
  LOOP
    EXECUTE format('DROP FUNCTION %s', _item.routine);
  END LOOP;
END
$do$;`;

/** Trigger functions that refuse whatever fires them; the arguments say why. */
const refuseDdl = `CREATE OR REPLACE FUNCTION hayloft.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
BEGIN
  RAISE EXCEPTION USING ERRCODE = TG_ARGV[0], MESSAGE = TG_ARGV[1], HINT = TG_ARGV[2], TABLE = TG_ARGV[3];
END
$function$;`;

function tableCaptureDdl(catalog: Catalog, table: Table, tier: string): string {
  const parts: string[] = [];
  for (const op of ["insert", "update", "delete"] as const) {
    const refusal = refusalFor(table, tier, op);
    if (refusal !== null) parts.push(refusalTrigger(table, op, refusal));
    else if (isReplicated(table)) parts.push(captureTrigger(table, op, captureFunction(catalog, table, tier, op)));
  }
  if (isReplicated(table)) {
    parts.push(
      refusalTrigger(table, "truncate", {
        rule: "truncate",
        column: null,
        message: `TRUNCATE of ${table.name} is refused, because other replicas would not see it.`,
        hint: "Use DELETE where the table's rule allows it.",
      }),
    );
  }
  if (writesSets(table, tier)) parts.push(normaliseTrigger(table));
  return parts.join("\n");
}

/** True when rows written here may hold sets, whose texts the database puts in order. */
const writesSets = (table: Table, tier: string): boolean =>
  setColumns(table).length > 0 && (["insert", "update"] as const).some((op) => refusalFor(table, tier, op) === null);

function normaliseTrigger(table: Table): string {
  const values = [table.name, ...setColumns(table)].map(sqlText).join(", ");
  return `CREATE TRIGGER hayloft_normalise BEFORE INSERT OR UPDATE ON ${sqlName(table.name)} FOR EACH ROW
  ${notApplying} EXECUTE FUNCTION hayloft.normalise_sets(${values});
${always(table, "normalise")}`;
}

function refusalTrigger(table: Table, op: WriteOp | "truncate", refusal: WriteRefusal): string {
  const values = [refusalStates[refusal.rule], refusal.message, refusal.hint, table.name].map(sqlText).join(", ");
  return `CREATE TRIGGER hayloft_${op} BEFORE ${op.toUpperCase()} ON ${sqlName(table.name)} FOR EACH STATEMENT
  ${notApplying} EXECUTE FUNCTION hayloft.refuse(${values});
${always(table, op)}`;
}

const always = (table: Table, op: string): string => `ALTER TABLE ${sqlName(table.name)} ENABLE ALWAYS TRIGGER hayloft_${op};`;

function captureTrigger(table: Table, op: WriteOp, body: string): string {
  const routine = `hayloft.${sqlName(objectName("capture", table.name, op))}`;
  const old = op === "insert" ? "" : " OLD TABLE AS old_rows";
  const fresh = op === "delete" ? "" : " NEW TABLE AS new_rows";
  return `CREATE FUNCTION ${routine}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  ${settings(table, op)} AS $function$
${body}
$function$;
CREATE TRIGGER hayloft_${op} AFTER ${op.toUpperCase()} ON ${sqlName(table.name)} REFERENCING${old}${fresh} FOR EACH STATEMENT
  ${notApplying} EXECUTE FUNCTION ${routine}();
${always(table, op)}`;
}

/** Settings that the text form of the table's values hangs on, so that no client's settings show in a body. */
function settings(table: Table, op: WriteOp): string {
  const kinds = new Set(Object.values(table.columns).map((column) => column.type.kind));
  const found = ["SET search_path = pg_catalog"];
  if (kinds.has("timestamptz")) found.push("SET timezone = 'UTC'");
  if (kinds.has("timestamptz") || kinds.has("date")) found.push("SET datestyle = 'ISO, YMD'");
  if (kinds.has("double")) found.push("SET extra_float_digits = 1");
  // The first call fixes the plan. Planned for one row, a nested loop would be quadratic in a statement of many.
  if (op === "update") found.push("SET enable_nestloop = off");
  return found.join(" ");
}

interface Source {
  /** A FROM item named `r` with the tenant, every column of `columns`, `$refused` and, for updates, `$changed` and `$moved`. */
  readonly from: string;
  readonly columns: readonly string[];
  readonly guards: readonly WriteGuard[];
}

function captureFunction(catalog: Catalog, table: Table, tier: string, op: WriteOp): string {
  const memory = memoryCapture(table, op);
  const source = sourceOf(catalog, table, tier, op, memory?.ops ?? null);
  const seen = keepsRowState(table) ? withSeen(table, op, source) : null;
  const isCut = seen !== null && op !== "insert";
  const tenant = `r.${sqlName(table.scope.tenant)}`;
  const moving = op === "update" && movingColumns(table).length > 0;
  const refused = source.guards.length === 0 ? "NULL" : 'max(r."$refused")';
  const moved = moving ? 'coalesce(bool_or(r."$moved"), false)' : "false";
  return `DECLARE
  _rows bigint;
  _tenant text;
  _last text;
  _refused integer;
  _moved boolean;
  _body text;
  _tenants text[];
  _counts integer[];
  _bodies text[];
  _keys text[];
  _cells jsonb[];
  _seen jsonb;
  _before jsonb;
  _stack text;${memory?.declare ?? ""}
BEGIN
  IF pg_trigger_depth() > 1 THEN
    GET DIAGNOSTICS _stack = PG_CONTEXT;
    PERFORM hayloft.check_nested(TG_RELID, ${sqlText(table.name)}, _stack);
  END IF;${memory?.read ?? ""}
  SELECT count(*), min(${tenant}), ${refused}, ${moved}, ${isCut ? seenKeys(table) : `${singleBody(table, source)}, max(${tenant})`}
    INTO _rows, _tenant, _refused, _moved, ${isCut ? "_tenants, _keys" : "_body, _last"}
    FROM ${source.from};
  IF _rows = 0 THEN
    RETURN NULL;
  END IF;${raises(table, source.guards)}${op === "insert" ? checkReinserts(table, tier, catalog, (guards) => raises(table, guards)) : ""}${seen === null ? "" : readSeen(table, op, source, seen)}${op === "delete" && keepsTombstones(catalog, table) ? keepCells(table) : ""}${moving ? slices(table, "evict", identityColumns(table), evictSource(table), "_moved") : ""}${seen === null || isCut ? "" : recordSeen(table, op, seen)}${recordAll(table, op, isCut ? seen : source)}
  RETURN NULL;
END`;
}

/** The body of a statement that is one change, else null. */
function singleBody(table: Table, source: Source): string {
  const tenant = `r.${sqlName(table.scope.tenant)}`;
  return `CASE WHEN count(*) <= ${SLICE_ROWS} AND min(${tenant}) = max(${tenant}) THEN ${bodySql(table, source.columns)} END`;
}

/** Writes the statement's change, or its changes when there are many rows or several tenants. */
function recordAll(table: Table, op: WriteOp, source: Source): string {
  return `
  IF _body IS NOT NULL AND (_rows = 1 OR octet_length(_body) <= ${SLICE_BYTES}) THEN
    PERFORM ${recordCall(table, op, source.columns, "_tenant", "_rows::integer", "_body")};
    RETURN NULL;
  END IF;${slices(table, op, source.columns, source.from, "true")}`;
}

const rowKeySql = (table: Table, alias: string): string => {
  const key = rowKeyColumns(table).map((name) => `${alias}.${sqlName(name)}::text`);
  return key.length === 0 ? "''" : key.join(" || E'\\x1f' || ");
};

/** Tenants and row keys of the rows, copied out of the transition table before another table is read. */
const seenKeys = (table: Table): string =>
  `array_agg(DISTINCT r.${sqlName(table.scope.tenant)}), array_agg(${rowKeySql(table, "r")})`;

/** The source with the column `$seen`, out of the stamps that `readSeen` has put into `_seen`. */
function withSeen(table: Table, op: WriteOp, source: Source): Source {
  const stamps = `_seen -> (r.${sqlName(table.scope.tenant)} || E'\\x1f' || ${rowKeySql(table, "r")})`;
  // A row of monotoneRow wins whole, so that what its writer saw of all of its columns counts.
  const narrow = op === "update" && table.rule.kind !== "monotoneRow";
  const document = narrow ? `hayloft.stamps_of(${stamps}, string_to_array(r."$changed", ','))` : stamps;
  return {
    ...source,
    from: `(SELECT r.*, (${document})::text AS "$seen" FROM ${source.from}) r`,
    columns: [...source.columns, "$seen"],
  };
}

/** Reads the stamps of the rows as they were before the statement; for an insert the tombstones that it goes over. */
function readSeen(table: Table, op: WriteOp, plain: Source, seen: Source): string {
  const found = `FROM hayloft.row_state s WHERE s.table_name = ${sqlText(table.name)} AND s.tenant_id = ANY (_tenants)`;
  const name = `s.tenant_id || E'\\x1f' || s.row_key`;
  if (op === "insert") {
    const deleted = `SELECT 1 FROM hayloft.row_state s WHERE s.table_name = ${sqlText(table.name)} AND s.deleted`;
    // Mostly no row of the table was ever deleted, and then this is one look into an empty index.
    return `
  IF EXISTS (${deleted} AND s.tenant_id = _tenant) OR (_last IS DISTINCT FROM _tenant AND EXISTS (${deleted})) THEN
    SELECT ${seenKeys(table)} INTO _tenants, _keys FROM ${plain.from};
    SELECT jsonb_object_agg(${name}, jsonb_build_object('$deleted', s.stamps -> '$deleted')) INTO _seen
      ${found} AND s.row_key = ANY (_keys) AND s.deleted;
  END IF;`;
  }
  return `
  SELECT jsonb_object_agg(${name}, hayloft.column_stamps(s.stamps)) INTO _seen ${found} AND s.row_key = ANY (_keys);
  SELECT ${singleBody(table, seen)} INTO _body FROM ${seen.from};`;
}

/** An insert over tombstones carries them; every other insert has no such column. */
const recordSeen = (table: Table, op: WriteOp, seen: Source): string => `
  IF _seen IS NOT NULL THEN
    SELECT ${singleBody(table, seen)} INTO _body FROM ${seen.from};${recordAll(table, op, seen)}
    RETURN NULL;
  END IF;`;

/**
 * Keeps the values of deleted rows: beside their stamps, for a concurrent update that was made later than the delete; and of
 * tables without stamps to which others refer, for rows that come late and refer to one of them.
 */
function keepCells(table: Table): string {
  const key = rowKeyColumns(table).map((name) => `o.${sqlName(name)}::text`);
  const cells = capturedColumns(table).filter((name) => !table.primaryKey.includes(name));
  const pairs = cells.map((name) => `(${sqlText(name)}, o.${sqlName(name)}::text)`);
  const object =
    pairs.length === 0
      ? "'{}'::jsonb"
      : `(SELECT jsonb_object_agg(v.name, v.value) FROM (VALUES ${pairs.join(", ")}) AS v (name, value))`;
  // Sealing stamps the deletes of tables with stamps.
  const deleted = keepsRowState(table)
    ? ""
    : `, '$deleted', (SELECT jsonb_build_array(hayloft.next_stamp(0)::text, r.node_id::text) FROM hayloft.replica r)`;
  return `
  SELECT array_agg(o.${sqlName(table.scope.tenant)}), array_agg(${key.length === 0 ? "''" : key.join(" || E'\\x1f' || ")}), array_agg(${object})
    INTO _tenants, _keys, _cells FROM old_rows o;
  INSERT INTO hayloft.row_state AS state (tenant_id, table_name, row_key, stamps)
    SELECT kept.tenant, ${sqlText(table.name)}, kept.key, jsonb_build_object('$cells', kept.cells${deleted})
    FROM unnest(_tenants, _keys, _cells) AS kept (tenant, key, cells)
    ON CONFLICT (tenant_id, table_name, row_key) DO UPDATE SET stamps = state.stamps || excluded.stamps;`;
}

function recordCall(table: Table, op: string, columns: readonly string[], tenant: string, rows: string, body: string): string {
  const fixed = [sqlText(table.name), sqlText(op), sqlText(columns.join(","))].join(", ");
  return `hayloft.record_change(${tenant}, ${fixed}, ${rows}, ${body}, ${table.lane}, ${keepsRowState(table) ? 1 : 0})`;
}

/** Changes for many rows or several tenants: cut into slices first, and only then written, because the two must not mix. */
function slices(table: Table, op: string, columns: readonly string[], from: string, when: string): string {
  const tenant = sqlName(table.scope.tenant);
  const cut = (sliced: string): string => `
    SELECT array_agg(s.tenant), array_agg(s.count), array_agg(s.body) INTO _tenants, _counts, _bodies FROM (
      SELECT r.${tenant} AS tenant, count(*)::integer AS count, ${bodySql(table, columns)} AS body
      FROM (${sliced}) r
      GROUP BY r.${tenant}, r."$slice" ORDER BY r.${tenant}, r."$slice"
    ) s;`;
  const byRows = `SELECT *, (row_number() OVER (PARTITION BY r.${tenant}) - 1) / ${SLICE_ROWS} AS "$slice" FROM ${from}`;
  return `
  IF ${when} THEN
    PERFORM hayloft.check_commit_rows(_rows);${cut(byRows)}
    IF (SELECT max(octet_length(b)) FROM unnest(_bodies) b) > ${SLICE_BYTES} THEN${cut(slicedByBytes(tenant, from))}
    END IF;
    FOR _slice IN 1 .. cardinality(_tenants) LOOP
      PERFORM ${recordCall(table, op, columns, "_tenants[_slice]", "_counts[_slice]", "_bodies[_slice]")};
    END LOOP;
  END IF;`;
}

/**
 * Rows in slices of half of `SLICE_BYTES`, by their text, which is at least half of what JSON makes of it. A row of a quarter and
 * more is alone in its slice: it counts as two slices and takes the second.
 */
function slicedByBytes(tenant: string, from: string): string {
  const half = SLICE_BYTES / 2;
  const large = `"$bytes" >= ${SLICE_BYTES / 4}`;
  return `SELECT *, ("$start" + CASE WHEN ${large} THEN ${half} ELSE 0 END) / ${half} AS "$slice" FROM (
        SELECT *, coalesce(sum(CASE WHEN ${large} THEN ${SLICE_BYTES} ELSE "$bytes" END)
          OVER (PARTITION BY ${tenant} ORDER BY "$place" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS "$start" FROM (
          SELECT *, octet_length(r::text) AS "$bytes", row_number() OVER (PARTITION BY r.${tenant}) AS "$place" FROM ${from}) p) q`;
}

/** The JSON text of the rows' column vectors, as an aggregate over `r`. */
function bodySql(table: Table, columns: readonly string[]): string {
  return `'[' || ${columns.map((name) => vectorSql(table, name)).join(" || ',' || ")} || ']'`;
}

/** One vector: the cheapest SQL that gives the bytes of JSON.stringify. Only texts and JSON can hold what must be escaped. */
function vectorSql(table: Table, name: string): string {
  const column = table.columns[name];
  const cell = `r.${sqlName(name)}`;
  if (column === undefined || column.type.kind === "text") return `array_to_json(array_agg(${cell}))::text`;
  if (column.type.kind === "jsonb") return `array_to_json(array_agg(${cell}::text))::text`;
  if (column.isNullable) return `'[' || string_agg(coalesce('"' || ${cell}::text || '"', 'null'), ',') || ']'`;
  return `'["' || string_agg(${cell}::text, '","') || '"]'`;
}

/** `ops`: the SQL of the rows' `$ops`, or null when the table has no columns with memory. */
function sourceOf(catalog: Catalog, table: Table, tier: string, op: WriteOp, ops: string | null): Source {
  if (op === "insert")
    return withOps(
      plainSource(insertGuards(table, tier, catalog), "n", "new_rows", capturedColumns(table)),
      "n",
      "new_rows",
      ops,
    );
  if (op === "delete")
    return withOps(
      plainSource(deleteGuards(table, tier, catalog), "o", "old_rows", identityColumns(table)),
      "o",
      "old_rows",
      ops,
    );
  const columns = capturedColumns(table);
  const keys = table.primaryKey.map((name) => `n.${sqlName(name)} = o.${sqlName(name)}`).join(" AND ");
  const lost: WriteGuard = {
    when: `o.${sqlName(table.scope.tenant)} IS NULL`,
    rule: "key",
    column: null,
    message: `The primary key of ${table.name} cannot change.`,
    hint: "Delete the row and insert one with the other key.",
  };
  const guards = [lost, ...updateGuards(table, tier, catalog)];
  const names = columns
    .filter((name) => !table.primaryKey.includes(name))
    .map((name) => `CASE WHEN ${written(table, name)} THEN ${sqlText(name)} END`);
  const moved = movingColumns(table).map((name) => changed(table, name));
  const extra = [
    `${names.length === 0 ? "''" : `concat_ws(',', ${names.join(", ")})`} AS "$changed"`,
    `${refusedCase(guards)} AS "$refused"`,
    ...(moved.length === 0 ? [] : [`(${moved.join(" OR ")}) AS "$moved"`]),
    ...(ops === null ? [] : [`${ops} AS "${OPS_COLUMN}"`]),
  ];
  const from = `(SELECT * FROM (SELECT n.*, ${extra.join(", ")}
      FROM new_rows n LEFT JOIN old_rows o ON ${keys}) c WHERE c."$changed" <> '' OR c."$refused" IS NOT NULL) r`;
  return { from, columns: [...columns, "$changed", ...(ops === null ? [] : [OPS_COLUMN])], guards };
}

function plainSource(guards: readonly WriteGuard[], alias: string, rows: string, columns: readonly string[]): Source {
  if (guards.length === 0) return { from: `${rows} r`, columns, guards };
  return { from: `(SELECT ${alias}.*, ${refusedCase(guards)} AS "$refused" FROM ${rows} ${alias}) r`, columns, guards };
}

function withOps(source: Source, alias: string, rows: string, ops: string | null): Source {
  if (ops === null) return source;
  const refused = source.guards.length === 0 ? "" : `${refusedCase(source.guards)} AS "$refused", `;
  const from = `(SELECT ${alias}.*, ${refused}${ops} AS "${OPS_COLUMN}" FROM ${rows} ${alias}) r`;
  return { ...source, from, columns: [...source.columns, OPS_COLUMN] };
}

function evictSource(table: Table): string {
  const keys = table.primaryKey.map((name) => `n.${sqlName(name)} = o.${sqlName(name)}`).join(" AND ");
  const moved = movingColumns(table).map((name) => changed(table, name));
  return `(SELECT o.* FROM new_rows n JOIN old_rows o ON ${keys} WHERE ${moved.join(" OR ")}) r`;
}

/** The number of the first guard that refuses the row, or null. */
function refusedCase(guards: readonly WriteGuard[]): string {
  const cases = guards.map((guard, index) => `WHEN ${guard.when} THEN ${index + 1}`);
  return `CASE ${cases.join(" ")} END`;
}

function raises(table: Table, guards: readonly WriteGuard[]): string {
  return guards
    .map((guard, index) => {
      const column = guard.column === null ? "" : `, COLUMN = ${sqlText(guard.column)}`;
      return `
  IF _refused = ${index + 1} THEN
    RAISE EXCEPTION USING ERRCODE = '${refusalStates[guard.rule]}', MESSAGE = ${sqlText(guard.message)},
      HINT = ${sqlText(guard.hint)}, TABLE = ${sqlText(table.name)}${column};
  END IF;`;
    })
    .join("");
}
