import type { Column } from "../catalog/column.ts";
import { hasMemory, type MemoryColumnRule } from "../catalog/rule.ts";
import { memoryColumns, rowKeyColumns } from "../catalog/table-facts.ts";
import type { Table } from "../catalog/table.ts";
import { memoryRuleOf } from "../merge/memory/memory-rule.ts";
import { sqlName, sqlText } from "./sql-name.ts";
import { written } from "./write-guards.ts";

/** How the triggers of a table capture what a statement did to its columns with memory. */
export interface MemoryCapture {
  /** Declarations of the trigger function. */
  readonly declare: string;
  /** Reads what the operations have to say of the rows that is not in the statement itself, before these are looked at. */
  readonly read: string;
  /** SQL for a row's operations as text, or null when it has none. */
  readonly ops: string;
}

/**
 * The SQL (of type jsonb) of one column's operation. `fresh` is the new value; `before` the text of the value that the row
 * had, null when it had none.
 */
function opSql(rule: MemoryColumnRule, fresh: string, before: string): string {
  switch (rule.kind) {
    case "counter":
      return `to_jsonb((${fresh}::numeric - coalesce((${before})::numeric, 0))::text)`;
    case "setUnion":
      return `hayloft.set_op((${before})::jsonb, ${fresh})`;
    case "document":
      return rule.format === "text" ? `hayloft.text_op(${before}, ${fresh})` : `hayloft.json_op((${before})::jsonb, ${fresh})`;
    case "review":
    case "custom":
      break;
  }
  return `coalesce(to_jsonb(${fresh}::text), 'null')`;
}

/**
 * The capture of `$ops` for one operation on a table, or null when the table has no columns with memory. An insert builds on the
 * values of a row that was deleted under the same key, if there was one, as an update builds on the old row.
 */
export function memoryCapture(table: Table, op: "insert" | "update" | "delete"): MemoryCapture | null {
  if (op === "delete") return table.deletes === "updateWins" ? deleteCapture(table) : null;
  const names = memoryColumns(table);
  if (names.length === 0) return null;
  const rules = names.map((name) => ({ name, rule: ruleOf(table, name) }));
  const needsSeen = rules.some(({ name, rule }) => memoryRuleOf(rule, columnOf(table, name))?.needsSeen === true);
  const reads = op === "insert" || needsSeen;
  const known = `_known -> ${rowName(table, "n")}`;
  const items = rules.map(({ name, rule }) => {
    const before = op === "insert" ? `${known} -> 'cells' ->> ${sqlText(name)}` : `o.${sqlName(name)}::text`;
    const built = `jsonb_build_object(${sqlText(name)}, ${opSql(rule, `n.${sqlName(name)}`, before)})`;
    return op === "insert" ? built : `CASE WHEN ${written(table, name)} THEN ${built} ELSE '{}' END`;
  });
  const frame = `jsonb_build_object('$at', _at)${needsSeen ? ` || jsonb_strip_nulls(jsonb_build_object('$seen', nullif(${known} -> 'seen', 'null') - _node))` : ""}`;
  const all = `(${frame} || ${items.join(" || ")})::text`;
  const some = names.map((name) => written(table, name)).join(" OR ");
  return {
    declare: `
  _at integer := coalesce(nullif(split_part(current_setting('hayloft.txn', true), ' ', 2), '')::integer, 0) + 1;${reads ? "\n  _known jsonb;\n  _names text[];" : ""}${needsSeen ? "\n  _node text := (SELECT node_id::text FROM hayloft.replica);" : ""}`,
    read: reads ? readSql(table) : "",
    ops: op === "insert" ? all : `CASE WHEN ${some} THEN ${all} END`,
  };
}

/** What the writer of a delete had seen of the row: per other node the latest stamp in the row's document. */
function deleteCapture(table: Table): MemoryCapture {
  return {
    declare: `
  _at integer := coalesce(nullif(split_part(current_setting('hayloft.txn', true), ' ', 2), '')::integer, 0) + 1;
  _known jsonb;
  _names text[];
  _node text := (SELECT node_id::text FROM hayloft.replica);`,
    read: `
  SELECT array_agg(o.${sqlName(table.scope.tenant)}), array_agg(${rowKey(table, "o")}), array_agg(${rowName(table, "o")}) INTO _tenants, _keys, _names FROM old_rows o;
  SELECT jsonb_object_agg(k.name, (SELECT jsonb_object_agg(seen.node, seen.stamp) FROM (
      SELECT item.value ->> 1 AS node, max((item.value ->> 0)::bigint)::text AS stamp FROM jsonb_each(s.stamps) AS item (key, value)
      WHERE jsonb_typeof(item.value) = 'array' AND item.value ->> 0 <> '0' GROUP BY 1) AS seen)) INTO _known
    FROM unnest(_tenants, _keys, _names) AS k (tenant, key, name)
    JOIN hayloft.row_state s ON s.tenant_id = k.tenant AND s.table_name = ${sqlText(table.name)} AND s.row_key = k.key;`,
    ops: `(jsonb_build_object('$at', _at) || jsonb_strip_nulls(jsonb_build_object('$seen', nullif(_known -> ${rowName(table, "o")}, 'null') - _node)))::text`,
  };
}

/** Columns that hold sets of texts. */
export const setColumns = (table: Table): readonly string[] =>
  memoryColumns(table).filter((name) => table.rule.columns[name]?.kind === "setUnion");

/** Copied into a variable first: the statement's rows and another table do not mix in one query where tables are distributed. */
function readSql(table: Table): string {
  const tenant = `n.${sqlName(table.scope.tenant)}`;
  return `
  SELECT array_agg(${tenant}), array_agg(${rowKey(table, "n")}), array_agg(${rowName(table, "n")}) INTO _tenants, _keys, _names FROM new_rows n;
  SELECT jsonb_object_agg(k.name, jsonb_build_object('cells', s.stamps -> '$cells', 'seen', s.stamps -> '$seen')) INTO _known
    FROM unnest(_tenants, _keys, _names) AS k (tenant, key, name)
    JOIN hayloft.row_state s ON s.tenant_id = k.tenant AND s.table_name = ${sqlText(table.name)} AND s.row_key = k.key
    WHERE s.stamps ? '$cells' OR s.stamps ? '$seen';`;
}

function rowKey(table: Table, alias: string): string {
  const key = rowKeyColumns(table).map((name) => `${alias}.${sqlName(name)}::text`);
  return key.length === 0 ? "''" : key.join(" || E'\\x1f' || ");
}

const rowName = (table: Table, alias: string): string =>
  `(${alias}.${sqlName(table.scope.tenant)} || E'\\x1f' || ${rowKey(table, alias)})`;

function columnOf(table: Table, name: string): Column {
  const column = table.columns[name];
  if (column === undefined) throw new TypeError(`the table ${table.name} has no column ${name}`);
  return column;
}

function ruleOf(table: Table, name: string): MemoryColumnRule {
  const rule = table.rule.columns[name];
  if (rule === undefined || !hasMemory(rule)) throw new TypeError(`the column ${name} merges no operations`);
  return rule;
}

/** Tells the database which columns have memory, and gives rows from before their rule a memory of the value that they have. */
export function memoryColumnsDdl(tables: readonly Table[]): string {
  const found = tables.flatMap((table) => memoryColumns(table).map((name) => ({ table, name })));
  const values = found.map(({ table, name }) => {
    const rule = ruleOf(table, name);
    const keepsAuthor = memoryRuleOf(rule, columnOf(table, name))?.keepsAuthor === true;
    return `(${sqlText(table.name)}, ${sqlText(name)}, ${sqlText(rule.kind)}, ${String(keepsAuthor)})`;
  });
  return [
    `DELETE FROM hayloft.memory_column;`,
    ...(values.length === 0
      ? []
      : [`INSERT INTO hayloft.memory_column (table_name, column_name, rule, keeps_author) VALUES\n  ${values.join(",\n  ")};`]),
    ...found.map(({ table, name }) => seedSql(table, name)),
  ].join("\n");
}

function seedSql(table: Table, name: string): string {
  const memory = `jsonb_build_object(${sqlText(name)}, jsonb_build_object('image', t.${sqlName(name)}::text))`;
  return `INSERT INTO hayloft.row_state AS state (tenant_id, table_name, row_key, stamps)
  SELECT t.${sqlName(table.scope.tenant)}, ${sqlText(table.name)}, ${rowKey(table, "t")}, jsonb_build_object('$memory', ${memory}) FROM ${sqlName(table.name)} t
  ON CONFLICT (tenant_id, table_name, row_key) DO UPDATE
    SET stamps = state.stamps || jsonb_build_object('$memory', (excluded.stamps -> '$memory') || coalesce(state.stamps -> '$memory', '{}'))
    WHERE NOT coalesce(state.stamps -> '$memory', '{}') ? ${sqlText(name)};`;
}
