import { type ReplicaEnvironment, setTextForm } from "../apply/apply-environment.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { CHANGED_COLUMN, columnOf, STAMPS_COLUMN, withColumn, withoutColumn } from "../merge/row-change.ts";
import { utf8Length } from "../commit/changes-bytes.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { stampsWithout } from "../merge/row-state.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Grant, SnapshotChunk, SnapshotCursor, SnapshotPeer } from "../replica/replica-storage.ts";
import type { Database } from "../store/database.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import { keyParts } from "../apply/row-store.ts";
import { keyVectors } from "../apply/table-sql.ts";
import { readDeadRows } from "./read-dead-rows.ts";
import { type PageQuery, pageQuery } from "./page-query.ts";

/** Rows read for one page, and for the first page of a table, whose rows may be of any size. */
const PAGE_ROWS_MAX = 5_000;
const FIRST_PAGE_ROWS = 200;

interface SnapshotRequest extends Required<SnapshotPeer> {
  readonly grant: Grant;
  readonly tenant: string;
  readonly cursor: SnapshotCursor | null;
  readonly bytesMax: number;
  readonly nowMs: number;
}

/** Tables that a snapshot holds for a child, referenced tables first: those that it keeps, knows and wants. The order is part of the cursor. */
const snapshotTables = (env: ReplicaEnvironment, { grant, tables, peerVersion }: SnapshotRequest): readonly RowPlan[] =>
  env.writeOrder.flatMap((name) => {
    const plan = env.plans.get(name);
    const there = env.lens.nameAt(peerVersion, name);
    const wanted = there !== null && (tables === null || tables.includes(there));
    if (plan === undefined || !wanted || plan.table.retain[grant.tier] === undefined || !plan.table.returns) return [];
    return [plan];
  });

/**
 * The next page of a snapshot, in a transaction of its own. Every table gets at least one page, be it without rows, so that
 * the receiver can tell which of its own rows are gone. Behind the tables come the deleted rows of those that merge. Null after
 * the last of them.
 */
export async function readSnapshot(
  database: Database,
  env: ReplicaEnvironment,
  request: SnapshotRequest,
): Promise<SnapshotChunk | null> {
  const { grant, tenant, cursor, bytesMax, nowMs, peerVersion } = request;
  const shared = tenant === env.catalog.sharedTenant;
  if (grant.tenant !== tenant && !shared) throw new HayloftError("refused-scope", { tenant });
  const tables = snapshotTables(env, request);
  const tableIndex = cursor?.tableIndex ?? 0;
  const plan = tables[tableIndex];
  if (plan === undefined) return await deadPage(database, env, request, tables);
  const hidden = new Set(plan.table.hidden[grant.tier] ?? []);
  const columns = plan.columns.filter((column) => !hidden.has(column));
  const rowsMax = Math.min(
    PAGE_ROWS_MAX,
    Math.ceil(bytesMax / (env.rowBytes.get(plan.table.name) ?? bytesMax / FIRST_PAGE_ROWS)),
  );
  const page = { tenant, grant, scoped: !shared, afterKey: cursor?.afterKey ?? null, nowMs, rowsMax };
  const query = pageQuery(env.plans, plan, columns, page);
  const vectors = await readVectors(database, query);
  if (vectors === null) {
    if (rowsMax === 1) throw new HayloftError("frame-too-large", { table: plan.table.name });
    // Rows much larger than those before: with one of them the page is full.
    env.rowBytes.set(plan.table.name, bytesMax);
    return await readSnapshot(database, env, request);
  }
  const values = columns.map((column) => vectors[column] ?? []);
  const stamps = plan.merges ? shownStamps(vectors["$stamps"] ?? [], hidden) : null;
  const rowCount = values[0]?.length ?? 0;
  const { kept, bytes } = withinBytes(stamps === null ? values : [...values, stamps], rowCount, bytesMax);
  if (kept > 0) env.rowBytes.set(plan.table.name, bytes / kept);
  const more = kept < rowCount || rowCount === rowsMax;
  const last = tables.length - (tables.some(({ merges }) => merges) ? 0 : 1);
  const nextTable = tableIndex < last ? { tableIndex: tableIndex + 1, afterKey: null } : null;
  const cut = (vector: readonly CellText[]): readonly CellText[] => (kept === rowCount ? vector : vector.slice(0, kept));
  const afterKey = plan.keyColumns.map((column) => vectors[column]?.[kept - 1] ?? "");
  return {
    tenant,
    ...lowered(
      env,
      peerVersion,
      { table: plan.table.name, op: "insert", columns, values: values.map(cut), rowCount: kept },
      stamps === null ? null : cut(stamps),
    ),
    next: more && kept > 0 ? { tableIndex, afterKey } : nextTable,
  };
}

/** The next deleted rows, of tables that refer to others before these; null when there are none. */
async function deadPage(
  database: Database,
  env: ReplicaEnvironment,
  { grant, tenant, cursor, bytesMax, peerVersion }: SnapshotRequest,
  tables: readonly RowPlan[],
): Promise<SnapshotChunk | null> {
  const merging = tables.filter(({ merges }) => merges).toReversed();
  const shown = tenant === env.catalog.sharedTenant ? { ...grant, scopes: {} } : grant;
  for (let place = (cursor?.tableIndex ?? 0) - tables.length; place < merging.length; place += 1) {
    const plan = merging[place];
    if (plan === undefined) break;
    const tableIndex = tables.length + place;
    const after = cursor?.tableIndex === tableIndex ? cursor.afterKey : null;
    const dead = await readDeadRows(database, env, plan, { tenant, grant: shown, after });
    if (dead.keys.length === 0) continue;
    const stamps = shownStamps(dead.stamps, new Set(plan.table.hidden[grant.tier] ?? []));
    const { kept } = withinBytes([dead.keys, stamps], stamps.length, bytesMax);
    const keys = dead.keys.slice(0, kept);
    const values = keyVectors(plan, tenant, keys);
    const change: Change = { table: plan.table.name, op: "delete", columns: plan.table.primaryKey, values, rowCount: kept };
    const more = dead.more || kept < dead.keys.length;
    const behind = place + 1 < merging.length ? { tableIndex: tableIndex + 1, afterKey: null } : null;
    const next = more ? { tableIndex, afterKey: keyParts(keys.at(-1) ?? "") } : behind;
    return { tenant, ...lowered(env, peerVersion, change, stamps.slice(0, kept)), next };
  }
  return null;
}

/** The stamps without those of hidden columns, whose memories hold their values. */
const shownStamps = (stamps: readonly CellText[], hidden: ReadonlySet<string>): readonly CellText[] =>
  hidden.size === 0 ? stamps : stamps.map((text) => stampsWithout(text, hidden));

/** Rows and stamps as the child's version has them. */
function lowered(
  env: ReplicaEnvironment,
  peerVersion: number,
  change: Change,
  stamps: readonly CellText[] | null,
): Pick<SnapshotChunk, "change" | "stamps"> {
  if (peerVersion === env.lens.version) return { change, stamps };
  const marked = stamps === null ? change : withColumn(change, STAMPS_COLUMN, stamps);
  const [result = change] = env.lens.lower(peerVersion, [marked]);
  // Marks of filled columns say nothing here: a page is no edit.
  return {
    change: withoutColumn(withoutColumn(result, STAMPS_COLUMN), CHANGED_COLUMN),
    stamps: stamps === null ? null : (columnOf(result, STAMPS_COLUMN) ?? stamps),
  };
}

/** SQLSTATEs of a result that is too large: program_limit_exceeded, out_of_memory. */
const tooLarge: ReadonlySet<string> = new Set(["54000", "53200"]);

/** The columns' vectors in a transaction of its own; null when they are too large for the database to put together. */
async function readVectors(
  database: Database,
  query: PageQuery,
): Promise<Readonly<Record<string, readonly CellText[] | null>> | null> {
  try {
    return await database.transaction(
      async (tx) => {
        await setTextForm(tx);
        const { rows } = await tx.query<Readonly<Record<string, readonly CellText[] | null>>>(query.sql, query.parameters);
        return rows[0] ?? {};
      },
      { readOnly: true },
    );
  } catch (error) {
    if (tooLarge.has(sqlstateOf(error) ?? "")) return null;
    throw error;
  }
}

/** How many rows are within the limit, at least one, and about how many bytes they take. */
function withinBytes(
  vectors: readonly (readonly CellText[])[],
  rowCount: number,
  bytesMax: number,
): { readonly kept: number; readonly bytes: number } {
  let bytes = 0;
  for (let row = 0; row < rowCount; row += 1) {
    const before = bytes;
    for (const vector of vectors) bytes += utf8Length(vector[row] ?? "") + 4;
    if (bytes > bytesMax && row > 0) return { kept: row, bytes: before };
  }
  return { kept: rowCount, bytes };
}
