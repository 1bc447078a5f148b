import { setTextForm } from "../apply/apply-environment.ts";
import { keyVectors, updateSql } from "../apply/table-sql.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { type CommitId, sealedCommit } from "../log/sealed-commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import { rowPlan } from "../merge/row-plan.ts";
import { refusalOf } from "../sql/sqlstate.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { findReview } from "./list-reviews.ts";
import type { ReviewDecision } from "./review.ts";

interface ReviewName {
  readonly tenant: string;
  readonly id: string;
}

/** Decides a review; `Reviews.decide` says what holds and what it throws. */
export async function decideReview(
  database: Database,
  catalog: Catalog,
  name: ReviewName,
  decision: ReviewDecision,
): Promise<CommitId> {
  try {
    return await database.transaction(async (tx) => {
      await setTextForm(tx);
      await tx.query("select set_config('hayloft.author', $1, true)", [decision.author]);
      return await decideInTransaction(tx, catalog, name, decision);
    });
  } catch (error) {
    throw refusalOf(error);
  }
}

async function decideInTransaction(
  tx: SqlSession,
  catalog: Catalog,
  name: ReviewName,
  { value, also }: ReviewDecision,
): Promise<CommitId> {
  const seen = await findReview(tx, catalog, name);
  if (seen === null) throw new HayloftError("review-changed", { id: name.id });
  // From here on nobody can add a value to the row; what came between the first look and the lock is another review.
  await tx.query(`select 1 from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = $3 for update`, [
    seen.tenant,
    seen.table,
    seen.key.join(KEY_SEPARATOR),
  ]);
  const review = await findReview(tx, catalog, name);
  const table = catalog.byName.get(seen.table);
  if (review === null || table === undefined) throw new HayloftError("review-changed", { id: name.id });
  const plan = rowPlan(table);
  // Without this an update to the value that shows already would be no write.
  await tx.query("select set_config('hayloft.deciding', $1, true)", [`${review.table}.${review.column}`]);
  await tx.query(updateSql(plan, [...table.primaryKey, review.column]), [
    ...keyVectors(plan, review.tenant, [review.key.join(KEY_SEPARATOR)]),
    [value],
  ]);
  await also?.(tx, review);
  const commit = await sealedCommit(tx);
  if (commit === null) throw new HayloftError("review-changed", { id: name.id });
  return commit;
}
