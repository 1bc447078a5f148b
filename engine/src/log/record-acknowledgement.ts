import { beginApplying, type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { applyTruth, latestStampOf } from "../apply/apply-truth.ts";
import { liftCommit } from "../apply/lift-commits.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { purgeDue } from "../scope/purge-scope.ts";
import { closeHeld, holdCommits } from "../quarantine/hold-commits.ts";
import { heldTakings, releaseAll } from "../quarantine/release-after.ts";
import { actionsOf } from "../quarantine/action-rows.ts";
import { noteRestamps } from "../journal/note-restamps.ts";
import { storeOutcome } from "../receipt/outcomes.ts";
import type { AckRecord, CommitOutcome } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { LaterRows } from "./later-rows.ts";
import { recordSafePosition } from "./safe-position.ts";
import { changeOfRow, COMMIT_COLUMNS, type ChangeRow, commitOfRow, type CommitRow } from "./commit-row.ts";

/**
 * Stores an acknowledgement, moves the acknowledged cursor forward, and takes in the outcomes, all in one transaction. The
 * same acknowledgement again changes nothing. Throws `history-diverged` for a position that we never had.
 */
export async function recordAcknowledgement(database: Database, env: ReplicaEnvironment, ack: AckRecord): Promise<void> {
  await database.transaction(async (tx) => {
    await beginApplying(tx);
    const heads = await tx.query<{ incarnation: string; position: number }>(
      `select incarnation, position from hayloft.head where tenant_id = $1`,
      [ack.tenant],
    );
    const [head] = heads.rows;
    if (head?.incarnation !== ack.incarnation) return;
    if (ack.position > head.position) {
      throw new HayloftError("history-diverged", { tenant: ack.tenant, acknowledged: ack.position, position: head.position });
    }
    const { before, purge } = await moveAcknowledged(tx, env, ack);
    if (env.hasParent) await recordSafePosition(tx, ack);
    if (ack.top) await raiseTopSeqs(tx, ack.tenant, before, ack.position);
    // The last first, as when undoing: a row goes before the row that it refers to, and comes back after it.
    const later = new LaterRows(tx, env, ack);
    const news = await newOutcomes(tx, ack);
    for (const outcome of news.toReversed()) await takeOutcome(tx, env, ack, outcome, later);
    if (purge) await purgeDue(tx, env, ack.peer, ack.tenant);
    if (news.length > 0) await linkOwnCauses(tx, ack.tenant);
    // What the answers took away, or was purged, may be what held up a taking-away of the parent's.
    if (purge || news.length > 0) await releaseAll(tx, env, ack.tenant, await heldTakings(tx, ack.tenant));
  });
}

/**
 * The outcomes that are not known here yet, in their order. A parent tells those of the last commits again whenever a session begins. Of a commit of
 * which two acknowledgements speak that are recorded together the later word counts.
 */
async function newOutcomes(tx: SqlSession, { tenant, outcomes }: AckRecord): Promise<readonly CommitOutcome[]> {
  if (outcomes.length === 0) return [];
  const latest = [...new Map(outcomes.map((outcome) => [`${outcome.origin} ${String(outcome.seq)}`, outcome])).values()];
  const { rows } = await tx.query<{ place: number }>(
    `select told.place from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) with ordinality as told (origin, seq, outcome, code, place)
    where not exists (select from hayloft.outcome o where o.tenant_id = $1 and o.origin = told.origin and o.seq = told.seq
      and o.outcome = told.outcome and o.code is not distinct from told.code) order by told.place`,
    [
      tenant,
      latest.map(({ origin }) => origin),
      latest.map(({ seq }) => seq),
      latest.map(({ outcome }) => outcome),
      latest.map(({ code }) => code),
    ],
  );
  return rows.flatMap(({ place }) => latest[place - 1] ?? []);
}

/** Returns the position acknowledged before, and whether rows wait for this to be purged. */
async function moveAcknowledged(
  tx: SqlSession,
  env: ReplicaEnvironment,
  ack: AckRecord,
): Promise<{ readonly before: number; readonly purge: boolean }> {
  // The relation of a peer that is new here: what it is for another tenant, else the parent when we have one.
  await tx.query(
    `insert into hayloft.peer (node_id, tenant_id, relation)
    select $1::uuid, $2, coalesce((select max(relation) from hayloft.peer where node_id = $1::uuid), $3) on conflict do nothing`,
    [ack.peer, ack.tenant, env.hasParent ? "parent" : "child"],
  );
  const { rows } = await tx.query<{ acked_incarnation: string | null; acked_position: number | null; purge_due: boolean }>(
    `select acked_incarnation, acked_position, purge_due from hayloft.peer where node_id = $1::uuid and tenant_id = $2 for update`,
    [ack.peer, ack.tenant],
  );
  const [row] = rows;
  const before = row?.acked_incarnation === ack.incarnation ? (row.acked_position ?? 0) : 0;
  await tx.query(
    `update hayloft.peer set acked_incarnation = $3::uuid, acked_position = $4::bigint, acked_at = now(), last_contact_at = now()
    where node_id = $1::uuid and tenant_id = $2`,
    [ack.peer, ack.tenant, ack.incarnation, Math.max(before, ack.position)],
  );
  if (env.hasParent && ack.position > before) await noteParentStep(tx, ack);
  return { before, purge: row?.purge_due === true };
}

/** The first acknowledgement of a position by a parent is when its commits were there. */
async function noteParentStep(tx: SqlSession, ack: AckRecord): Promise<void> {
  await tx.query(
    `insert into hayloft.progress (tenant_id, kind, origin, up_to, level)
    select $2, 'parent', $3::uuid, $4::bigint, $5 from hayloft.peer p
    where p.node_id = $1::uuid and p.tenant_id = $2 and p.relation = 'parent' on conflict do nothing`,
    [ack.peer, ack.tenant, ack.incarnation, ack.position, ack.level ?? null],
  );
}

async function raiseTopSeqs(tx: SqlSession, tenant: string, after: number, upTo: number): Promise<void> {
  await tx.query(
    `with reached as (
      select tenant_id, origin, (array_agg(node_id order by seq desc))[1] as node_id, max(seq) as seq from hayloft.commit
      where tenant_id = $1 and position > $2 and position <= $3 group by tenant_id, origin),
    steps as (
      insert into hayloft.progress (tenant_id, kind, origin, up_to) select tenant_id, 'top', origin, seq from reached on conflict do nothing)
    insert into hayloft.origin as o (tenant_id, incarnation, node_id, top_seq)
    select tenant_id, origin, node_id, seq from reached
    on conflict (tenant_id, incarnation) do update set top_seq = greatest(o.top_seq, excluded.top_seq)`,
    [tenant, after, upTo],
  );
}

async function takeOutcome(
  tx: SqlSession,
  env: ReplicaEnvironment,
  ack: AckRecord,
  outcome: CommitOutcome,
  later: LaterRows,
): Promise<void> {
  const { tenant } = ack;
  const { origin, seq, code } = outcome;
  const found = await tx.query<CommitRow>(
    `select ${COMMIT_COLUMNS} from hayloft.commit where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`,
    [tenant, origin, seq],
  );
  const [row] = found.rows;
  await storeOutcome(tx, { tenant, origin, seq }, { outcome: outcome.outcome, code, peer: row?.via ?? null, toldPosition: null });
  const ended = endedAs(outcome);
  if (ended !== null) await closeHeld(tx, tenant, outcome, ended);
  else if (row?.via === null) await holdOwn(tx, env, tenant, row, outcome);
  if (outcome.truth.length > 0) {
    // An acknowledgement in several frames names the position of its last: what is later than this commit counts from the commit.
    const position = Math.max(ack.position, row?.position ?? 0);
    const judged = row === undefined ? null : { stamp: BigInt(row.stamp), node: row.node_id };
    await applyTruth(tx, env, { ...ack, position }, outcome, judged, later);
  }
  if (code === "clock-ahead" && row !== undefined) await noteTakenRestamp(tx, env, tenant, row, outcome);
}

/** The authority took the commit under a stamp of its own, which its rows show: relays pass that on, and the author's journal says it. */
async function noteTakenRestamp(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  row: CommitRow,
  { truth }: CommitOutcome,
): Promise<void> {
  // Rows without stamps, or of which others have written everything since, do not show it.
  const to = latestStampOf(env, truth, row.node_id) || latestStampOf(env, truth);
  await noteRestamps(tx, env.sha256, tenant, [
    {
      origin: row.origin,
      seq: row.seq,
      node: row.node_id,
      tier: row.tier,
      author: row.author,
      from: BigInt(row.stamp),
      to,
      rowCount: row.row_count,
    },
  ]);
}

/** The state in which a commit ends by the parent's word; null while the parent holds it. */
function endedAs({ outcome, code }: CommitOutcome): "applied" | "merged" | "resent" | "discarded" | null {
  if (outcome !== "refused") return outcome;
  if (code === "refused-resent") return "resent";
  return code === "refused-discarded" ? "discarded" : null;
}

/** Our own refused version is kept for a person to look at; while the parent holds it, it is not ours to retry. */
async function holdOwn(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  row: CommitRow,
  outcome: CommitOutcome,
): Promise<void> {
  const { rows } = await tx.query<ChangeRow>(
    `select txn, table_name, op, columns, row_count, body from hayloft.change where tenant_id = $1 and txn = $2::bigint order by ordinal`,
    [tenant, row.txn],
  );
  const commit = commitOfRow(tenant, row, rows.map(changeOfRow));
  const code = outcome.code ?? "refused-rule";
  if (commit.node !== env.nodeId) return;
  await holdCommits(tx, env, tenant, [{ commit: liftCommit(env.lens, commit) ?? commit, sealed: commit, code }], null);
  // What it said of other commits is refused with it: these are still to be settled.
  for (const { origin, seq } of actionsOf(commit))
    await tx.query(
      `update hayloft.quarantine set state = 'held', closed_at = null
      where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint and peer is null and state in ('resent', 'discarded')`,
      [tenant, origin, seq],
    );
}

/** Names for our own commits that were refused behind another one the nearest earlier one of ours that touches the same rows. */
async function linkOwnCauses(tx: SqlSession, tenant: string): Promise<void> {
  await tx.query(
    `update hayloft.quarantine q set cause_origin = q.origin, cause_seq = (
      select max(p.seq) from hayloft.quarantine_place mine
        join hayloft.quarantine_place p on p.tenant_id = mine.tenant_id and p.own and p.table_name = mine.table_name and p.row_key = mine.row_key
          and p.origin = mine.origin and p.seq < mine.seq and p.use <> 'needs'
      where mine.tenant_id = q.tenant_id and mine.origin = q.origin and mine.seq = q.seq)
    where q.tenant_id = $1 and q.peer is null and q.state = 'held' and q.cause_seq is null and q.code in ('refused-waiting', 'refused-dependent')`,
    [tenant],
  );
  await tx.query(
    `update hayloft.quarantine set cause_origin = null where tenant_id = $1 and peer is null and cause_seq is null and cause_origin is not null`,
    [tenant],
  );
}

/** Takes in, from a parent, how far commits have reached the top. */
export async function recordSettled(
  database: Database,
  tenant: string,
  origins: readonly { readonly origin: string; readonly seq: number }[],
): Promise<void> {
  if (origins.length === 0) return;
  await database.query(
    `with steps as (
      insert into hayloft.progress (tenant_id, kind, origin, up_to)
      select $1, 'top', n.origin, n.seq from unnest($2::uuid[], $3::bigint[]) as n (origin, seq) on conflict do nothing)
    insert into hayloft.origin as o (tenant_id, incarnation, top_seq) select $1, * from unnest($2::uuid[], $3::bigint[])
    on conflict (tenant_id, incarnation) do update set top_seq = greatest(o.top_seq, excluded.top_seq)`,
    [tenant, origins.map(({ origin }) => origin), origins.map(({ seq }) => seq)],
  );
}

/** Per origin the highest seq known to be at the top; at the top itself that is everything applied. */
export async function settledSeqs(
  database: Database,
  env: ReplicaEnvironment,
  tenant: string,
  origins: readonly string[],
): Promise<readonly { readonly origin: string; readonly seq: number }[]> {
  const column = env.hasParent ? "top_seq" : "seq";
  const { rows } = await database.query<{ origin: string; seq: number }>(
    `select incarnation as origin, ${column} as seq from hayloft.origin
    where tenant_id = $1 and incarnation = any($2::uuid[]) and ${column} > 0`,
    [tenant, origins],
  );
  return rows;
}
