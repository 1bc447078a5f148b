import { type ReplicaEnvironment, setTextForm } from "../apply/apply-environment.ts";
import type { TextRow } from "../apply/table-sql.ts";
import { utf8Length } from "../commit/changes-bytes.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Grant, SnapshotChunk, SnapshotCursor } from "../replica/replica-storage.ts";
import type { Database } from "../store/database.ts";
import { pageQuery } from "./page-query.ts";

/** Rows of one page at most. */
const PAGE_ROWS_MAX = 5_000;

/** Tables that a snapshot for a tier holds, referenced tables first. The order is part of the cursor. */
const snapshotTables = (env: ReplicaEnvironment, tier: string): readonly RowPlan[] =>
  env.writeOrder.flatMap((name) => {
    const plan = env.plans.get(name);
    return plan === undefined || plan.table.retain[tier] === undefined || !plan.table.returns ? [] : [plan];
  });

/**
 * The next page of a snapshot, in a transaction of its own. Every table gets at least one page, be it without rows, so that
 * the receiver can tell which of its own rows are gone. Null after the last table.
 */
export async function readSnapshot(
  database: Database,
  env: ReplicaEnvironment,
  request: {
    readonly grant: Grant;
    readonly tenant: string;
    readonly cursor: SnapshotCursor | null;
    readonly bytesMax: number;
    readonly nowMs: number;
  },
): Promise<SnapshotChunk | null> {
  const { grant, tenant, cursor, bytesMax, nowMs } = request;
  const shared = tenant === env.catalog.sharedTenant;
  if (grant.tenant !== tenant && !shared) throw new HayloftError("refused-scope", { tenant });
  const tables = snapshotTables(env, grant.tier);
  const tableIndex = cursor?.tableIndex ?? 0;
  const plan = tables[tableIndex];
  if (plan === undefined) return null;
  const hidden = new Set(plan.table.hidden[grant.tier] ?? []);
  const columns = plan.columns.filter((column) => !hidden.has(column));
  const page = { tenant, grant, scoped: !shared, afterKey: cursor?.afterKey ?? null, nowMs, rowsMax: PAGE_ROWS_MAX };
  const query = pageQuery(env.plans, plan, columns, page);
  const { rows } = await database.transaction(
    async (tx) => {
      await setTextForm(tx);
      return await tx.query<TextRow>(query.sql, query.parameters);
    },
    { readOnly: true },
  );
  const kept = withinBytes(rows, bytesMax);
  const last = kept.at(-1);
  const more = kept.length < rows.length || rows.length === PAGE_ROWS_MAX;
  const nextTable = tableIndex + 1 < tables.length ? { tableIndex: tableIndex + 1, afterKey: null } : null;
  return {
    tenant,
    change: {
      table: plan.table.name,
      op: "insert",
      columns,
      values: columns.map((column) => kept.map((row) => row[column] ?? null)),
      rowCount: kept.length,
    },
    stamps: plan.merges ? kept.map((row) => row["$stamps"] ?? null) : null,
    next: more && last !== undefined ? { tableIndex, afterKey: plan.keyColumns.map((column) => last[column] ?? "") } : nextTable,
  };
}

/** The rows up to the limit, at least one. */
function withinBytes(rows: readonly TextRow[], bytesMax: number): readonly TextRow[] {
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    for (const value of Object.values(row)) bytes += utf8Length(value ?? "") + 4;
    if (bytes > bytesMax && index > 0) return rows.slice(0, index);
  }
  return rows;
}
