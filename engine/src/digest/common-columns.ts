import type { Catalog } from "../catalog/catalog.ts";
import { capturedColumns, isReplicated } from "../catalog/table-facts.ts";
import { catalogLens } from "../lens/catalog-lens.ts";
import type { DigestedColumns } from "./digest-tables.ts";

/**
 * What a version of a catalog and an older one have in common: replicated tables that both have, and in them the columns that both
 * hold alike. `newer` is for `digestColumns` on the replica of the present version, `older` for the other. Converted columns are
 * left out, as their values differ on purpose.
 */
export function commonColumns(
  catalog: Catalog,
  version: number,
): { readonly newer: readonly DigestedColumns[]; readonly older: readonly DigestedColumns[] } {
  const lens = catalogLens(catalog);
  const before = lens.tablesAt(version);
  const newer: DigestedColumns[] = [];
  const older: DigestedColumns[] = [];
  for (const table of catalog.tables) {
    const name = lens.nameAt(version, table.name);
    const there = name === null ? undefined : before.get(name);
    if (there === undefined || name === null || !isReplicated(table) || !isReplicated(there)) continue;
    const captured = new Set(capturedColumns(table));
    const columns = [...lens.columnsIn(version, table.name)]
      .filter(([here]) => captured.has(here))
      .toSorted(([, left], [, right]) => (left < right ? -1 : 1));
    newer.push({ name, table: table.name, tenantColumn: table.scope.tenant, columns: columns.map(([here]) => here) });
    older.push({ name, table: name, tenantColumn: there.scope.tenant, columns: columns.map(([, column]) => column) });
  }
  return { newer, older };
}
