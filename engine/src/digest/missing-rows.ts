import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import type { ChangeRow } from "../log/commit-row.ts";
import { liftRow } from "../log/unacknowledged.ts";
import { columnOf, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import type { KeptRows } from "./comparison.ts";

/** Changes of the log that are looked through at a time, and rows that are found at most. */
const CHANGES_AT_ONCE = 200;
const MISSING_MAX = 1_024;

/**
 * Rows of a table that only goes up which our log has and the table has not, within what we keep: nothing but that log tells that
 * they were here, as the parent may have rows of others as well.
 */
export async function missingRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tier: string,
  { tenant, kept }: { readonly tenant: string; readonly kept: KeptRows },
): Promise<readonly string[]> {
  const missing = new Set<string>();
  let [position, ordinal] = [0, -1];
  while (missing.size < MISSING_MAX) {
    const { rows } = await tx.query<ChangeRow & { catalog_version: number; position: number; ordinal: number }>(
      `select ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body, c.catalog_version, c.position, ch.ordinal
      from hayloft.commit c join hayloft.change ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
      where c.tenant_id = $1 and (c.position, ch.ordinal) > ($3::bigint, $4::integer) and ch.table_name = any($2::text[]) and ch.op <> 'evict'
        and not exists (select from hayloft.outcome o where o.tenant_id = c.tenant_id and o.origin = c.origin and o.seq = c.seq and o.outcome = 'refused')
      order by c.position, ch.ordinal limit ${String(CHANGES_AT_ONCE)}`,
      [tenant, env.lens.namesOf(plan.table.name), position, ordinal],
    );
    const last = rows.at(-1);
    if (last === undefined) break;
    [position, ordinal] = [last.position, last.ordinal];
    const batch = new Set<string>();
    for (const change of rows.flatMap((row) => liftRow(env, row))) {
      if (change.table !== plan.table.name) continue;
      const isKept = keptTest(plan, tier, kept, (column) => columnOf(change, column));
      for (const [row, key] of rowKeys(change, plan).entries()) {
        missing.delete(key);
        if (change.op === "delete") batch.delete(key);
        else if (isKept(row)) batch.add(key);
      }
    }
    for (const key of await absent(tx, plan, tenant, [...batch])) missing.add(key);
  }
  return [...missing].slice(0, MISSING_MAX);
}

function keptTest(
  plan: RowPlan,
  tier: string,
  kept: KeptRows,
  vectorOf: (column: string) => readonly (string | null)[] | undefined,
): (row: number) => boolean {
  const retention = plan.table.retain[tier];
  if (kept === null || retention === undefined || retention.kind === "forever") return () => true;
  const vector = vectorOf(retention.column);
  if ("values" in kept) {
    const values = new Set(kept.values);
    return (row) => values.has(vector?.[row] ?? "");
  }
  const fromMs = Date.parse(kept.from);
  return (row) => Date.parse(vector?.[row] ?? "") >= fromMs;
}

async function absent(tx: SqlSession, plan: RowPlan, tenant: string, keys: readonly string[]): Promise<readonly string[]> {
  if (keys.length === 0) return [];
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.table.primaryKey, false), keyVectors(plan, tenant, keys));
  const here = new Set(rows.map((row) => rowKeyOf(plan, row)));
  return keys.filter((key) => !here.has(key));
}
