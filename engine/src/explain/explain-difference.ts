import type { Catalog } from "../catalog/catalog.ts";
import { diffTables } from "../digest/diff-tables.ts";
import type { Database } from "../store/database.ts";
import { explainRow } from "./explain-row.ts";
import { explanationText } from "./explanation-text.ts";

/** Why two replicas differ: what each of them knows of the first cell that is not equal, as text; null when none differs. */
export async function explainDifference(
  left: Database,
  right: Database,
  catalog: Catalog,
  tenant: string,
  tables?: readonly string[],
): Promise<string | null> {
  const [first] = await diffTables(left, right, catalog, tenant, { limit: 1, ...(tables === undefined ? {} : { tables }) });
  if (first === undefined) return null;
  const asked = { tenant, table: first.table, key: first.key, column: first.columns[0] ?? null };
  const [mine, theirs] = [await explainRow(left, catalog, asked), await explainRow(right, catalog, asked)];
  return `${first.table} ${first.key.join(", ")} ${first.kind}\n${explanationText(mine)}${explanationText(theirs)}`;
}
