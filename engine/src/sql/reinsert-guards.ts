import type { Catalog } from "../catalog/catalog.ts";
import { keepsRowState, rowKeyColumns } from "../catalog/table-facts.ts";
import type { Table } from "../catalog/table.ts";
import { sqlTypeText } from "./catalog-ddl.ts";
import { sqlName, sqlText } from "./sql-name.ts";
import { updateGuards, type WriteGuard } from "./write-guards.ts";

/**
 * The guards for a row that is inserted where one was deleted: what only moves one way, or is set once, goes on from where the
 * deleted row had it. Everywhere else the insert is merged with that row and the value behind it loses, so that a writer who
 * got through with it would show a row that nobody else has. `o` is the deleted row.
 */
function reinsertGuards(table: Table, tier: string, catalog: Catalog): readonly WriteGuard[] {
  if (!keepsRowState(table)) return [];
  return updateGuards(table, tier, catalog)
    .filter(({ rule }) => rule === "monotone" || rule === "setOnce")
    .map((guard) => ({
      ...guard,
      message: `${guard.message} A row with this key was deleted, and its value counts on.`,
      hint: "Insert the value that the deleted row had, or one that may follow it.",
    }));
}

/** SQL that raises when a statement's new rows go over deleted ones and set a value back; nothing for tables without such columns. */
export function checkReinserts(
  table: Table,
  tier: string,
  catalog: Catalog,
  raises: (guards: readonly WriteGuard[]) => string,
): string {
  const guards = reinsertGuards(table, tier, catalog);
  if (guards.length === 0) return "";
  const names = [...new Set(guards.flatMap(({ column }) => column ?? []))];
  const cells = names.map((name) => {
    const type = table.columns[name]?.type ?? ({ kind: "text" } as const);
    return `(_before -> ${rowName(table)} ->> ${sqlText(name)})::${sqlTypeText(type)} AS ${sqlName(name)}`;
  });
  const cases = guards.map((guard, index) => `WHEN ${guard.when} THEN ${index + 1}`);
  const dead = `SELECT 1 FROM hayloft.row_state s WHERE s.table_name = ${sqlText(table.name)} AND s.dead`;
  // Mostly no row of the table was ever deleted, and then this is one look into an empty index.
  return `
  IF EXISTS (${dead} AND s.tenant_id = _tenant) OR (_last IS DISTINCT FROM _tenant AND EXISTS (${dead})) THEN
    SELECT array_agg(DISTINCT n.${sqlName(table.scope.tenant)}), array_agg(${rowKey(table)}) INTO _tenants, _keys FROM new_rows n;
    SELECT jsonb_object_agg(s.tenant_id || E'\\x1f' || s.row_key, s.stamps -> '$cells') INTO _before FROM hayloft.row_state s
      WHERE s.table_name = ${sqlText(table.name)} AND s.tenant_id = ANY (_tenants) AND s.row_key = ANY (_keys) AND s.dead;
    SELECT max(CASE ${cases.join(" ")} END) INTO _refused FROM new_rows n CROSS JOIN LATERAL (SELECT ${cells.join(", ")}) o
      WHERE _before ? ${rowName(table)};${raises(guards).replaceAll("\n  ", "\n    ")}
  END IF;`;
}

function rowKey(table: Table): string {
  const key = rowKeyColumns(table).map((name) => `n.${sqlName(name)}::text`);
  return key.length === 0 ? "''" : key.join(" || E'\\x1f' || ");
}

const rowName = (table: Table): string => `(n.${sqlName(table.scope.tenant)} || E'\\x1f' || ${rowKey(table)})`;
