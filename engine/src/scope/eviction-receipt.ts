import type { SqlSession } from "../store/database.ts";

/** Keys that a receipt names; of the rest it tells the count. */
const RECEIPT_KEYS_MAX = 100;

/**
 * Why rows left: they, or a row that they refer to, moved out of the grant; the grant no longer covers them; or the parent's
 * snapshot does not have them.
 */
export type EvictionCause = "moved" | "grant" | "absent";

/** Notes in `hayloft.eviction` that rows left this replica because they are not in its scope any more. */
export async function noteEviction(
  tx: SqlSession,
  evicted: {
    readonly tenant: string;
    readonly cause: EvictionCause;
    readonly table: string;
    readonly count: number;
    readonly keys: readonly string[];
  },
): Promise<void> {
  if (evicted.count === 0) return;
  await tx.query(
    `insert into hayloft.eviction (tenant_id, cause, table_name, row_count, row_keys) values ($1, $2, $3, $4::bigint, $5::text[])`,
    [evicted.tenant, evicted.cause, evicted.table, evicted.count, evicted.keys.slice(0, RECEIPT_KEYS_MAX)],
  );
}
