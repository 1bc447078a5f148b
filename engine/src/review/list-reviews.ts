import type { Catalog } from "../catalog/catalog.ts";
import { uuidOfHash } from "../catalog/derived-id.ts";
import { sha256 } from "../commit/sha256.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { setTextForm } from "../apply/apply-environment.ts";
import { keyVectors, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import { type RowPlan, rowPlan } from "../merge/row-plan.ts";
import type { Database, SqlSession } from "../store/database.ts";
import type { OpenReview, ReviewedValue, ReviewFilter } from "./review.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

interface ReviewRow {
  readonly tenant_id: string;
  readonly table_name: string;
  readonly row_key: string;
  readonly column_name: string;
  readonly versions: readonly (Omit<ReviewedValue, "stamp"> & { readonly stamp: string })[];
}

/** What waits for a person; `Reviews.list` says in which order and what it throws. */
export async function listReviews(
  database: Database,
  catalog: Catalog,
  filter: ReviewFilter = {},
): Promise<readonly OpenReview[]> {
  const limit = filter.limit ?? LIMIT_DEFAULT;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
    throw new HayloftError("request-invalid", { part: "limit", max: LIMIT_MAX });
  return await database.transaction(async (tx) => {
    await setTextForm(tx);
    return await withShown(tx, catalog, await openRows(tx, filter, limit));
  });
}

/** The review with this id, or null when there is none, or none with these values. The text form must be set (`setTextForm`). */
export async function findReview(
  session: SqlSession,
  catalog: Catalog,
  { tenant, id }: { readonly tenant: string; readonly id: string },
): Promise<OpenReview | null> {
  const rows = await openRows(session, { tenant }, null);
  const found = rows.filter((row) => reviewId(row) === id);
  return (await withShown(session, catalog, found))[0] ?? null;
}

async function openRows(
  session: SqlSession,
  { tenant, table }: ReviewFilter,
  limit: number | null,
): Promise<readonly ReviewRow[]> {
  const { rows } = await session.query<ReviewRow>(
    `select r.tenant_id, r.table_name, r.row_key, r.column_name, r.versions from hayloft.open_review r
     where ($1::text is null or r.tenant_id = $1) and ($2::text is null or r.table_name = $2)
     order by r.tenant_id, r.table_name, r.row_key, r.column_name limit $3::integer`,
    [tenant ?? null, table ?? null, limit],
  );
  return rows;
}

/** Beside the versions, what the rows hold now. A table that this catalog does not know has nothing that could be decided. */
async function withShown(session: SqlSession, catalog: Catalog, rows: readonly ReviewRow[]): Promise<readonly OpenReview[]> {
  const known = rows.flatMap((row) => {
    const table = catalog.byName.get(row.table_name);
    return table === undefined ? [] : [{ row, plan: rowPlan(table) }];
  });
  const reviews: OpenReview[] = [];
  for (const { row, plan } of known) {
    const held = await rowOf(session, plan, row);
    reviews.push(openReview(row, held?.[row.column_name] ?? null));
  }
  return reviews;
}

async function rowOf(session: SqlSession, plan: RowPlan, row: ReviewRow): Promise<TextRow | null> {
  const { rows } = await session.query<TextRow>(
    selectByKeySql(plan, plan.columns, false),
    keyVectors(plan, row.tenant_id, [row.row_key]),
  );
  return rows[0] ?? null;
}

const openReview = (row: ReviewRow, shown: string | null): OpenReview => ({
  tenant: row.tenant_id,
  id: reviewId(row),
  table: row.table_name,
  key: row.row_key.split(KEY_SEPARATOR),
  column: row.column_name,
  shown,
  values: row.versions.map(({ stamp, ...version }) => ({ ...version, stamp: BigInt(stamp) })),
});

/** Made from the cell and its open values, so that nobody decides on values that he has not been shown. */
const reviewId = ({ tenant_id, table_name, row_key, column_name, versions }: ReviewRow): string =>
  uuidOfHash(
    sha256(
      JSON.stringify(["review", tenant_id, table_name, row_key, column_name, versions.map(({ stamp, node }) => [stamp, node])]),
    ),
  );
