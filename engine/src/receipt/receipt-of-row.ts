import type { Catalog } from "../catalog/catalog.ts";
import { explainRow } from "../explain/explain-row.ts";
import type { Database } from "../store/database.ts";
import type { CommitReceipt } from "./read-receipt.ts";

/** The receipt of the last commit in the log that wrote the row; null when there is none. Throws `not-found` for an unknown table. */
export async function receiptOfRow(
  database: Database,
  catalog: Catalog,
  row: { readonly tenant: string; readonly table: string; readonly key: readonly string[] },
): Promise<CommitReceipt | null> {
  return (await explainRow(database, catalog, row)).commits[0]?.receipt ?? null;
}
