import { applyingSettings, beginApplying, type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { keyParts, readRows, writeRows } from "../apply/row-store.ts";
import { insertSql, keyVectors, rowKeyOf, type TextRow, upsertClause } from "../apply/table-sql.ts";
import { projectChange, refusalOfFailure, UNIQUE_VIOLATION, writeCommits } from "../apply/write-commits.ts";
import type { Surprises } from "../apply/batch.ts";
import { firstPreviousHash } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { offerOthers } from "../incarnation/offer-others.ts";
import { newerHere, richerHere } from "../incarnation/offers-of-page.ts";
import { offerRows } from "../incarnation/seal-offer.ts";
import { raiseStamp } from "../log/keep-foreign.ts";
import { acknowledgedPosition, acknowledgedSql, unacknowledgedKeys } from "../log/unacknowledged.ts";
import { LossBook } from "../journal/loss-book.ts";
import { recordLosses } from "../journal/record-losses.ts";
import { foldRow, joinRowStates } from "../merge/join-rows.ts";
import { rowKeys, rowValues, STAMPS_COLUMN } from "../merge/row-change.ts";
import { EMPTY_ROW, latestStamp, readRowState, type RowState } from "../merge/row-state.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { checkRoom, holdCommits } from "../quarantine/hold-commits.ts";
import type { Cursor, SnapshotChunk, SnapshotCursor, SnapshotPeer, UnfinishedSnapshot } from "../replica/replica-storage.ts";
import { deleteRows } from "../scope/evict-dependents.ts";
import { noteEviction } from "../scope/eviction-receipt.ts";
import { purgeScope } from "../scope/purge-scope.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { Database, SqlParameter, SqlSession } from "../store/database.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import { afterKeySql } from "./page-query.ts";
import { nothingUnsent, type Unsent, unsentWork } from "./unsent-work.ts";

interface SnapshotPages extends Required<SnapshotPeer> {
  readonly peer: string;
  readonly chunks: readonly SnapshotChunk[];
  readonly at: Cursor;
  readonly ownAfter: number | null;
}

/** What `hayloft.peer.snapshot_cursor` holds. */
interface StoredSnapshot {
  readonly at: Cursor;
  /** Null: no page has come. */
  readonly cursor: SnapshotCursor | null;
  /** The version of the catalog of the peer that made the cursor; absent: none has yet. */
  readonly version?: number;
  /** The only tables that are asked for; absent: all. */
  readonly tables?: readonly string[];
  /** Per table the row keys that go when all pages are here, because rows of later pages may still refer to them. */
  readonly gone?: Readonly<Record<string, readonly string[]>>;
  /** The position of our own log that the parent had when the first page was read. */
  readonly ownAfter?: number;
}

/**
 * Applies pages that follow one another and moves the snapshot's cursor behind the last, in one transaction. Rows of merged tables are joined with ours; rows of
 * other tables are written unless a commit of ours changed them that the parent may not have had when it read the page. In tables that flow
 * down, rows of ours within a page's range of keys that the page lacks are deleted: the parent no longer has them. Rows that
 * others refer to are deleted when the snapshot is complete. A row of a page that refers to one written since that table was
 * read is set aside until the tail brings the other. Deleted rows come last and are joined like others, so that a change that was made
 * before its author knew of a delete ends here as everywhere.
 */
export async function applySnapshot(database: Database, env: ReplicaEnvironment, pages: SnapshotPages): Promise<void> {
  const { peer, chunks, at, peerVersion, tables } = pages;
  const { tenant } = at;
  await database.transaction(async (tx) => {
    const { before, acknowledged, isAhead, head } = await openSnapshot(tx, peer, tenant, pages.ownAfter);
    if (pages.goesOn) checkGoesOn(before, tenant);
    const resumes =
      before?.at.incarnation === at.incarnation &&
      before.at.position === at.position &&
      (before.version === undefined || before.version === peerVersion);
    const known = Math.min(acknowledged, pages.ownAfter ?? Infinity);
    const ownAfter = resumes ? Math.min(before.ownAfter ?? known, known) : known;
    const gone: Record<string, readonly string[]> = { ...(resumes ? before.gone : undefined) };
    let from = resumes ? before.cursor : null;
    for (const chunk of chunks) {
      const { change } = chunk;
      const plan = env.plans.get(change.table);
      if (plan === undefined) throw new HayloftError("refused-schema", { table: change.table });
      const behind = { tenant, peer, position: known };
      const own = isAhead ? await unsentWork(tx, env, plan, behind, pages.offers) : nothingUnsent;
      if (pages.offers) {
        await takeOffering(tx, env, peer, plan, { chunk, from, own });
        from = chunk.next;
        continue;
      }
      if (plan.table.flow !== "up" && change.op !== "delete") {
        const missing = await missingKeys(tx, plan, tenant, { change, from, next: chunk.next }, own.keys);
        if (env.referenced.has(change.table)) gone[change.table] = [...(gone[change.table] ?? []), ...missing];
        else await forgetRows(tx, plan, tenant, missing);
      }
      await writeChunk(tx, env, peer, plan, chunk, own);
      from = chunk.next;
    }
    const stored = {
      at,
      cursor: from ?? { tableIndex: env.writeOrder.length, afterKey: null },
      version: peerVersion,
      ...(tables === null ? {} : { tables }),
      gone,
      ownAfter,
    };
    // Offers are commits of this transaction, and no row goes because of the page of a parent that was set back.
    const looked = pages.offers ? [] : chunks.map(({ change }) => change.table);
    await storeSnapshot(tx, peer, tenant, stored, { after: head, tables: looked });
  });
}

/**
 * A page of a parent that was set back: nothing of ours goes because of it, and what it lacks goes into our log, as an offer. From then
 * on that counts as work of ours which the parent does not have yet.
 */
async function takeOffering(
  tx: SqlSession,
  env: ReplicaEnvironment,
  peer: string,
  plan: RowPlan,
  page: { readonly chunk: SnapshotChunk; readonly from: SnapshotCursor | null; readonly own: Unsent },
): Promise<void> {
  const { chunk, from, own } = page;
  const { tenant, change, next } = chunk;
  const missing = change.op === "delete" ? [] : await missingKeys(tx, plan, tenant, { change, from, next }, new Set());
  const newer = plan.merges ? [] : (await newerHere(tx, env, plan, peer, chunk)).filter((key) => !own.keys.has(key));
  await writeChunk(tx, env, peer, plan, chunk, { ...own, keys: new Set([...own.keys, ...newer]) });
  const richer = plan.merges ? await richerHere(tx, plan, chunk) : [];
  const all = [...missing, ...newer, ...richer];
  await offerRows(tx, env, plan, { tenant, keys: all.filter((key) => !own.keys.has(key)), via: env.nodeId });
  // Rows of plain tables go up whole with the work on them.
  const touched = plan.merges ? all.filter((key) => own.keys.has(key) && !own.offered.has(key)) : [];
  if (touched.length > 0) await offerOthers(tx, env, plan, { chunk, keys: touched, isUnsent: own.wrote });
}

/**
 * Our logs may have begun anew since the session asked for these pages, and with them everything that comes from the parent: then the pages
 * before these are none of the present life, and what they had not yet would be missing for good.
 */
function checkGoesOn(before: StoredSnapshot | null, tenant: string): void {
  if (before === null) throw new HayloftError("unavailable", { tenant, reason: "the snapshot begins anew" });
}

interface OpenSnapshot {
  readonly before: StoredSnapshot | null;
  readonly acknowledged: number;
  /** False when the peer had all of our own log when it read the pages. */
  readonly isAhead: boolean;
  /** Where our log ends. */
  readonly head: number;
}

/**
 * Begins to apply pages: locks the peer's row, and reads where the snapshot stands and what the peer has acknowledged. One
 * statement for all of it but the first time, because a round trip costs as much as many rows.
 */
async function openSnapshot(tx: SqlSession, peer: string, tenant: string, ownAfter: number | null): Promise<OpenSnapshot> {
  const { rows } = await tx.query<{
    readonly snapshot_cursor: StoredSnapshot | null;
    readonly position: number | null;
    readonly is_ahead: boolean;
    readonly head: number;
  }>(
    `with acknowledged as (${acknowledgedSql("$2", "$1::uuid")})
    select ${applyingSettings}, peer.snapshot_cursor, (select position from acknowledged) as position,
      exists (select from hayloft.commit as own where own.tenant_id = $2 and own.via is distinct from $1::uuid
        and own.position > least(coalesce((select position from acknowledged), 0), $3::bigint)) as is_ahead,
      coalesce((select position from hayloft.head where tenant_id = $2), 0) as head
    from hayloft.peer as peer where peer.node_id = $1::uuid and peer.tenant_id = $2 for update of peer`,
    [peer, tenant, ownAfter],
  );
  const [row] = rows;
  if (row !== undefined)
    return { before: row.snapshot_cursor, acknowledged: row.position ?? 0, isAhead: row.is_ahead, head: row.head };
  await beginApplying(tx);
  await tx.query(
    `insert into hayloft.peer (node_id, tenant_id, relation) values ($1::uuid, $2, 'parent') on conflict do nothing`,
    [peer, tenant],
  );
  const ours = await tx.query<{ position: number }>(`select position from hayloft.head where tenant_id = $1`, [tenant]);
  return {
    before: await storedSnapshot(tx, peer, tenant, true),
    acknowledged: await acknowledgedPosition(tx, tenant, peer),
    isAhead: true,
    head: ours.rows[0]?.position ?? 0,
  };
}

/** Writes the page, or row by row what of it can be written when a row refers to one that is not here or cannot be stored. */
async function writeChunk(
  tx: SqlSession,
  env: ReplicaEnvironment,
  peer: string,
  plan: RowPlan,
  chunk: SnapshotChunk,
  own: Unsent,
): Promise<void> {
  if (chunk.change.rowCount === 0) return;
  try {
    await writeWhole(tx, env, plan, chunk, own);
  } catch (error) {
    if (refusalOfFailure(error) === null) throw error;
    await tx.script("rollback to savepoint hayloft_page; release savepoint hayloft_page");
    const { refused } = await writeCommits(tx, env, chunk.tenant, rowsAsCommits(env, plan, chunk, own.keys), "parent");
    const held = [...refused].map(([commit, code]) => ({ commit, code, judgedBy: env.catalogMark }));
    await holdCommits(tx, env, chunk.tenant, held, peer);
    if (held.length > 0) await checkRoom(tx, env, chunk.tenant);
  }
}

/** Writes the page after a savepoint: as if none of its rows were here, and if one is, over what is here. */
async function writeWhole(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  chunk: SnapshotChunk,
  own: Unsent,
): Promise<void> {
  await tx.script("savepoint hayloft_page");
  if (plan.merges) await joinPage(tx, env, plan, chunk, own);
  else {
    try {
      await writePage(tx, plan, chunk.change, own.keys, "unlikely");
    } catch (error) {
      if (sqlstateOf(error) !== UNIQUE_VIOLATION) throw error;
      await tx.script("rollback to savepoint hayloft_page");
      await writePage(tx, plan, chunk.change, own.keys, "likely");
    }
  }
  if (env.linked.has(plan.table.name)) await tx.script("set constraints all immediate; set constraints all deferred");
  await projectChange(tx, env, chunk.change);
  await tx.script("release savepoint hayloft_page");
}

/** The rows of a page as commits of one row each, which say of the columns' stamps what the page says. */
function rowsAsCommits(
  env: ReplicaEnvironment,
  plan: RowPlan,
  chunk: SnapshotChunk,
  own: ReadonlySet<string>,
): readonly Commit[] {
  const { change, stamps, tenant } = chunk;
  const rows = [...rowKeys(change, plan).entries()].filter(([, key]) => plan.merges || !own.has(key));
  return rows.map(([row]) => {
    const cells = change.values.map((vector) => [vector[row] ?? null]);
    const only: Change = { ...change, values: cells, rowCount: 1 };
    const stamped: Change = { ...only, columns: [...change.columns, STAMPS_COLUMN], values: [...cells, [stamps?.[row] ?? "{}"]] };
    return rowCommit(env, tenant, plan.merges ? stamped : only);
  });
}

const rowCommit = (env: ReplicaEnvironment, tenant: string, change: Change): Commit => ({
  tenant,
  origin: newId(),
  seq: 1,
  stamp: 0n,
  node: env.nodeId,
  tier: env.tier,
  author: null,
  catalogVersion: env.catalog.version,
  previousHash: firstPreviousHash(),
  hash: firstPreviousHash(),
  changes: [change],
});

async function joinPage(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { tenant, change, stamps }: SnapshotChunk,
  unsent: Unsent,
): Promise<void> {
  const keys = rowKeys(change, plan);
  if (keys.length === 0) return;
  const before = await readRows(tx, plan, tenant, keys, true);
  const after = new Map<string, RowState>();
  const book = new LossBook();
  let latest = 0n;
  for (const [row, key] of keys.entries()) {
    const ours = before.get(key)?.state ?? EMPTY_ROW;
    const theirs = readRowState(change.op === "delete" ? null : rowValues(change, row), stamps?.[row] ?? null, plan);
    const stamp = latestStamp(theirs);
    if (stamp > latest) latest = stamp;
    if (!unsent.keys.has(key)) {
      after.set(key, joinRowStates(plan, ours, theirs));
      continue;
    }
    const { state, losers } = foldRow(plan, keyParts(key), ours, theirs);
    after.set(key, state);
    // What the parent had before may have been overwritten knowingly; what it does not have yet was not.
    for (const loser of losers) if (unsent.wrote(loser.loser)) book.lose(null, loser);
  }
  if (!(await writeRows(tx, plan, tenant, before, after)))
    throw new HayloftError("sql-failed", { sqlstate: "40001", table: plan.table.name });
  await recordLosses(tx, env, tenant, book);
  await raiseStamp(tx, tenant, latest);
}

async function writePage(
  tx: SqlSession,
  plan: RowPlan,
  change: Change,
  own: ReadonlySet<string>,
  surprises: Surprises,
): Promise<void> {
  const kept = [...rowKeys(change, plan).entries()].filter(([, key]) => !own.has(key)).map(([row]) => row);
  if (kept.length === 0) return;
  const vectors =
    kept.length === change.rowCount ? change.values : change.values.map((vector) => kept.map((row) => vector[row] ?? null));
  await tx.query(insertSql(plan, change.columns, surprises === "likely" ? upsertClause(plan, change.columns) : null), vectors);
}

/** Keys of our rows that lie between where this page began and where it ends, but are not on it. */
async function missingKeys(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  page: { readonly change: Change; readonly from: SnapshotCursor | null; readonly next: SnapshotCursor | null },
  own: ReadonlySet<string>,
): Promise<readonly string[]> {
  const parameters: SqlParameter[] = [tenant];
  const start = afterKeySql(plan, "t", page.from?.afterKey ?? null, parameters);
  const end = page.next?.afterKey == null ? "" : `not (true${afterKeySql(plan, "t", page.next.afterKey, parameters)})`;
  // The tenant stands first, so that the list is not empty for a table whose key is the tenant alone.
  const keys = [plan.tenantColumn, ...plan.keyColumns].map((column) => `t.${sqlName(column)}::text as ${sqlName(column)}`);
  const { rows } = await tx.query<TextRow>(
    `select ${keys.join(", ")} from ${sqlName(plan.table.name)} as t where t.${sqlName(plan.tenantColumn)} = $1${start}${end === "" ? "" : ` and ${end}`}`,
    parameters,
  );
  const there = new Set(rowKeys(page.change, plan));
  return rows.map((row) => rowKeyOf(plan, row)).filter((key) => !there.has(key) && !own.has(key));
}

/** Deletes rows that the parent does not have, and notes that they went. */
async function forgetRows(tx: SqlSession, plan: RowPlan, tenant: string, gone: readonly string[]): Promise<void> {
  await deleteRows(tx, plan, tenant, gone);
  await noteEviction(tx, { tenant, cause: "absent", table: plan.table.name, count: gone.length, keys: gone });
}

/**
 * Deletes the rows that were kept while others might refer to them, those that refer before those that are referred to. What
 * an unsent row of ours still needs stays with it.
 */
async function forgetGone(tx: SqlSession, env: ReplicaEnvironment, peer: string, tenant: string): Promise<void> {
  const { gone = {}, ownAfter } = (await storedSnapshot(tx, peer, tenant, true)) ?? {};
  const after = ownAfter ?? (await acknowledgedPosition(tx, tenant, peer));
  for (const name of env.writeOrder.toReversed()) {
    const plan = env.plans.get(name);
    const listed = gone[name] ?? [];
    if (plan === undefined || listed.length === 0) continue;
    const own = await unacknowledgedKeys(tx, env, { tenant, peer, position: after }, plan);
    const evictions = listed
      .filter((key) => !own.has(key))
      .map((key) => {
        const columns = plan.table.primaryKey;
        return rowCommit(env, tenant, {
          table: name,
          op: "evict",
          columns,
          values: keyVectors(plan, tenant, [key]),
          rowCount: 1,
        });
      });
    const { refused } = await writeCommits(tx, env, tenant, evictions, "parent");
    // A row that unsent work refers to goes when the parent has that work.
    const held = [...refused.keys()].map((commit) => ({ commit, code: "refused-children" as const }));
    await holdCommits(tx, env, tenant, held, peer);
    if (refused.size > 0)
      await tx.query(`update hayloft.peer set purge_due = true where node_id = $1::uuid and tenant_id = $2`, [peer, tenant]);
  }
}

async function storedSnapshot(session: SqlSession, peer: string, tenant: string, lock: boolean): Promise<StoredSnapshot | null> {
  const { rows } = await session.query<{ snapshot_cursor: StoredSnapshot | null }>(
    `select snapshot_cursor from hayloft.peer where node_id = $1::uuid and tenant_id = $2${lock ? " for update" : ""}`,
    [peer, tenant],
  );
  return rows[0]?.snapshot_cursor ?? null;
}

/**
 * Remembers where the snapshot stands. Throws 40001, so that all is done again, when somebody wrote one of the tables after the log's
 * position `after`, where it was looked at: what they wrote may have been taken for rows that the parent does not have any more. Who
 * commits later has not touched the rows that were written here, as these are locked.
 */
async function storeSnapshot(
  tx: SqlSession,
  peer: string,
  tenant: string,
  snapshot: StoredSnapshot,
  { after, tables }: { readonly after: number; readonly tables: readonly string[] },
): Promise<void> {
  const { affected } = await tx.query(
    `update hayloft.peer set snapshot_cursor = $3::jsonb, last_contact_at = now() where node_id = $1::uuid and tenant_id = $2
      and not exists (select from hayloft.commit c join hayloft.change ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
        where c.tenant_id = $2 and c.position > $4 and c.via is distinct from $1::uuid and ch.table_name = any ($5::text[]))`,
    [peer, tenant, JSON.stringify(snapshot), after, tables],
  );
  if (affected === 0) throw new HayloftError("sql-failed", { sqlstate: "40001" });
}

/**
 * Where an unfinished snapshot from this peer stands, or null. A peer of another version would take the cursor for something else,
 * so that one begins again.
 */
export async function unfinishedSnapshot(
  session: SqlSession,
  peer: string,
  tenant: string,
  peerVersion: number,
): Promise<UnfinishedSnapshot | null> {
  const stored = await storedSnapshot(session, peer, tenant, false);
  if (stored === null) return null;
  const { at, cursor, version, tables = null } = stored;
  if (version === undefined || version === peerVersion) return { at, cursor, tables };
  return tables === null ? null : { at, cursor: null, tables };
}

/**
 * The snapshot is complete: the received cursor is `at`. On a relay a place in the log, which is in no stream, stands for the
 * rows that came: children that have not passed it are behind the horizon and take a snapshot of their own.
 */
export async function finishSnapshot(
  database: Database,
  env: ReplicaEnvironment,
  { peer, at, goesOn }: { readonly peer: string; readonly at: Cursor; readonly goesOn: boolean },
): Promise<void> {
  await database.transaction(async (tx) => {
    await beginApplying(tx);
    if (goesOn) checkGoesOn(await storedSnapshot(tx, peer, at.tenant, true), at.tenant);
    await forgetGone(tx, env, peer, at.tenant);
    await tx.query(
      `insert into hayloft.peer (node_id, tenant_id, relation, received_incarnation, received_position) values ($1::uuid, $2, 'parent', $3::uuid, $4::bigint)
      on conflict (node_id, tenant_id) do update
        set received_incarnation = excluded.received_incarnation, received_position = excluded.received_position, received_mark = null,
          snapshot_cursor = null,
          refill_due = peer.refill_due and coalesce(peer.snapshot_cursor ? 'tables', false)`,
      [peer, at.tenant, at.incarnation, at.position],
    );
    await purgeScope(tx, env, peer, at.tenant);
    if (env.sentDown.size > 0) await markFilled(tx, env, peer, at.tenant);
  });
}

async function markFilled(tx: SqlSession, env: ReplicaEnvironment, peer: string, tenant: string): Promise<void> {
  // A head that the next statement made itself it would not see to move.
  await tx.query(`select from hayloft.lock_head($1)`, [tenant]);
  await tx.query(
    `with head as (select * from hayloft.lock_head($1)), place as (
      insert into hayloft.commit (tenant_id, position, txn, origin, seq, stamp, node_id, tier, catalog_version, previous_hash, hash, via,
        row_count, byte_count)
      select $1, head.position + 1, nextval('hayloft.txn'), hayloft.uuid_v7(), 1, head.stamp, $2::uuid, $3, $4::integer,
        decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'), $2::uuid, 0, 0 from head
      returning position)
    update hayloft.head set position = place.position, filled_position = place.position from place where tenant_id = $1`,
    [tenant, peer, env.catalog.tiers[0] ?? "", env.catalog.version],
  );
}
