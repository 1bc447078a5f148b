import type { Catalog } from "../catalog/catalog.ts";
import type { CommitId } from "../log/sealed-commit.ts";
import type { Receipt } from "../replica/replica.ts";
import type { Database } from "../store/database.ts";
import { decideReview } from "./decide-review.ts";
import { listReviews } from "./list-reviews.ts";
import type { Reviews } from "./review.ts";

/** The reviews of an open replica. `tenant` is its own; null at the top. */
export const replicaReviews = (options: {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly tenant: string | null;
  readonly receiptOf: (commit: CommitId) => Receipt;
}): Reviews => ({
  list: async (filter = {}) =>
    await listReviews(
      options.database,
      options.catalog,
      options.tenant === null ? filter : { tenant: options.tenant, ...filter },
    ),
  decide: async (review, decision) => options.receiptOf(await decideReview(options.database, options.catalog, review, decision)),
});
