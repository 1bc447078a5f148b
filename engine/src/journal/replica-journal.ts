import type { Catalog } from "../catalog/catalog.ts";
import type { Receipt } from "../replica/replica.ts";
import type { CommitId } from "../log/sealed-commit.ts";
import type { Database } from "../store/database.ts";
import type { Journal } from "./journal.ts";
import { listLosses } from "./list-losses.ts";
import { undoLoss } from "./undo-loss.ts";

/** The journal of an open replica. `tenant` is its own; null at the top. */
export const replicaJournal = (options: {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly tenant: string | null;
  readonly receiptOf: (commit: CommitId) => Receipt;
}): Journal => ({
  list: async (filter = {}) =>
    await listLosses(options.database, options.tenant === null ? filter : { tenant: options.tenant, ...filter }),
  undo: async (entry, by = {}) => {
    const { commit, entry: replaced } = await undoLoss(options.database, options.catalog, entry, by);
    return { receipt: commit === null ? null : options.receiptOf(commit), entry: replaced };
  },
});
