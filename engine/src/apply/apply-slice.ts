import type { Commit } from "../commit/commit.ts";
import { type ErrorDetails, HayloftError, isHayloftError } from "../error/hayloft-error.ts";
import { keepForeign } from "../log/keep-foreign.ts";
import { HeldIndex } from "../quarantine/held-index.ts";
import { releaseAfter } from "../quarantine/release-after.ts";
import { settleRefused } from "../quarantine/settle-refused.ts";
import { takeActions } from "../quarantine/take-actions.ts";
import { outcomesToTell, storeOutcome } from "../receipt/outcomes.ts";
import type { ApplyRequest, ApplyResult } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { acceptCommits, storeOriginMarks } from "./accept-commits.ts";
import { beginApplying, type ReplicaEnvironment } from "./apply-environment.ts";
import { commitName } from "./commit-keys.ts";
import { judgeCommits, type Judgement } from "./judge-commits.ts";
import { applyOffers } from "../incarnation/apply-offers.ts";
import { isOffer } from "../incarnation/offered-change.ts";
import { bringsRowsIn } from "../scope/entering-rows.ts";
import { keepOwnRows } from "./keep-own-rows.ts";
import { liftCommits } from "./lift-commits.ts";
import { lockCursor, moveCursor, noteDue } from "./peer-cursor.ts";
import { restampRelayed } from "./restamp-relayed.ts";
import { writeCommits, type WriteResult } from "./write-commits.ts";

/**
 * Applies a slice of a peer's log in one transaction: rows, cursor, origins, outcomes, quarantine and our own log become
 * visible together or not at all. `ReplicaStorage.apply` says what it throws. When there is no room to hold one of its commits, what
 * comes before that is applied without moving the cursor, and `quarantine-full` is thrown: only what is behind it waits, because an
 * origin's commits apply in order.
 */
export async function applySlice(
  database: Database,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  nowMs: number,
): Promise<ApplyResult> {
  checkTenant(env, request);
  const applyWhole = async (part: ApplyRequest): Promise<ApplyResult> =>
    await database.transaction(async (tx) => {
      await beginApplying(tx);
      return await applyInTransaction(tx, env, part, nowMs);
    });
  try {
    return await applyWhole(request);
  } catch (error) {
    const before = isHayloftError(error, "quarantine-full") ? commitsBefore(request, error.details) : [];
    if (before.length > 0)
      await applyWhole({ ...request, slice: { ...request.slice, upTo: request.slice.after, commits: before } });
    throw error;
  }
}

const commitsBefore = ({ slice: { commits } }: ApplyRequest, { origin, seq }: ErrorDetails): readonly Commit[] =>
  commits.slice(
    0,
    Math.max(
      0,
      commits.findIndex((commit) => commit.origin === origin && commit.seq === seq),
    ),
  );

/** The slice, its commits and the grant speak of one tenant. Nothing of a foreign tenant is written, not even a refusal. */
export function checkTenant(
  env: ReplicaEnvironment,
  { from, grant, slice }: Pick<ApplyRequest, "from" | "grant" | "slice">,
): void {
  const mayWrite = from === "parent" ? true : grant !== null && grant.tenant === slice.tenant;
  const shared = from === "child" && slice.tenant === env.catalog.sharedTenant;
  if (!mayWrite || shared || slice.commits.some((commit) => commit.tenant !== slice.tenant)) {
    throw new HayloftError("refused-scope", { tenant: slice.tenant });
  }
}

/** What a child has to be told of its commits, these and earlier ones. */
async function tellOutcomes(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  { received, duplicates }: { readonly received: number; readonly duplicates: readonly Commit[] },
): ReturnType<typeof outcomesToTell> {
  const { slice, peer, node = peer, from, grant } = request;
  if (from === "parent") return { outcomes: [], areMore: false };
  const { tenant, after, upTo } = slice;
  const told = { tenant, peer, node, grant, received, after, upTo, version: peerVersionOf(env, request) };
  return await outcomesToTell(tx, env, told, liftCommits(env.lens, slice.commits).commits, duplicates);
}

async function applyInTransaction(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  nowMs: number,
): Promise<ApplyResult> {
  const { slice, peer, from, grant } = request;
  const source = { tenant: slice.tenant, peer, from, grant, ...(request.node !== undefined && { node: request.node }) };
  const received = await lockCursor(tx, request);
  const { fresh: accepted, duplicates, strange } = await acceptCommits(tx, env, request, nowMs);
  const unwanted = await applyOffers(tx, env, source, accepted, nowMs);
  const offers = accepted.filter((commit) => from === "child" && isOffer(commit) && !unwanted.has(commit));
  const wanted = accepted.filter((commit) => !offers.includes(commit));
  const { commits: originals, names: restamped } = await restampRelayed(tx, env, request, wanted, nowMs, strange);
  // Only now, because the hash is over what the author wrote.
  const lifted = await keepOwnRows(tx, env, source, liftCommits(env.lens, originals));
  const fresh = lifted.commits;
  const judged = withStrange(await judgeCommits(tx, env, source, lifted), fresh, (commit) =>
    strange.has(lifted.originalOf(commit)),
  );
  const held = await HeldIndex.open(tx, env, source);
  const { ready, causes } = await held.split(fresh, judged.refused);
  const refill = from === "parent" && (await bringsRowsIn(tx, env, slice.tenant, ready));
  const written = await writeCommits(tx, env, slice.tenant, ready, from, async (commits, refused) =>
    held.dependants(commits, refused),
  );
  const applied = ready.filter((commit) => !written.refused.has(commit) && !written.causes.has(commit));
  await storeOriginMarks(
    tx,
    slice.tenant,
    fresh.filter((commit) => !judged.unverified.has(commit)),
  );
  await keepForeign(
    tx,
    env,
    source,
    applied.map((commit) => written.replaced.get(commit) ?? lifted.originalOf(commit)),
  );
  await keepForeign(tx, env, { ...source, peer: env.nodeId, from: "child" }, written.companions);
  if (from === "child") await forgetClaims(tx, slice.tenant, applied);
  await settleMerged(tx, env, request, { written, applied, restamped });
  const refused = new Map([...judged.refused, ...written.refused]);
  const dependants = new Map([...causes, ...written.causes]);
  const settled = { refused, dependants, markOf: judged.markOf, order: fresh, originalOf: lifted.originalOf };
  await settleRefused(tx, env, source, settled);
  for (const commit of applied) await takeActions(tx, env, commit);
  await releaseAfter(tx, env, slice.tenant, { applied, dependants: [...dependants.values()] });
  const position = Math.max(received, slice.upTo);
  const { outcomes, areMore } = await tellOutcomes(tx, env, request, { received, duplicates });
  const safe = await moveCursor(tx, request, position);
  const waits = from === "parent" && [...refused.keys(), ...dependants.keys()].some(takesRows);
  if (refill || waits) await noteDue(tx, request, { refill, purge: waits });
  return {
    position,
    outcomes,
    untold: areMore,
    refill,
    ...(from === "child" && safe > 0 && { safe }),
    rowsApplied: applied.reduce((sum, { changes }) => changes.reduce((rows, change) => rows + change.rowCount, sum), 0),
    commitsApplied: applied.length + offers.length,
    commitsDuplicate: duplicates.length,
  };
}

/** Commits whose names others have are refused, and move no origin's mark. */
function withStrange(judged: Judgement, commits: readonly Commit[], isStrange: (commit: Commit) => boolean): Judgement {
  const strange = commits.filter(isStrange);
  if (strange.length === 0) return judged;
  return {
    ...judged,
    refused: new Map([...judged.refused, ...strange.map((commit) => [commit, "refused-history"] as const)]),
    unverified: new Set([...judged.unverified, ...strange]),
  };
}

export const takesRows = ({ changes }: Commit): boolean => changes.some(({ op }) => op === "evict");

const peerVersionOf = (env: ReplicaEnvironment, request: ApplyRequest): number => request.peerVersion ?? env.catalog.version;

/**
 * Forgets what was said of these commits when somebody brought them whose word did not count; now they came from one whose
 * word does.
 */
export async function forgetClaims(tx: SqlSession, tenant: string, applied: readonly Commit[]): Promise<void> {
  if (applied.length === 0) return;
  const origins = applied.map((commit) => commit.origin);
  const seqs = applied.map((commit) => commit.seq);
  await tx.query(
    `with gone as (
      delete from hayloft.quarantine as q using unnest($2::uuid[], $3::bigint[]) as n (origin, seq)
      where q.tenant_id = $1 and q.origin = n.origin and q.seq = n.seq returning q.origin, q.seq),
    places as (delete from hayloft.quarantine_place as p using gone where p.tenant_id = $1 and p.origin = gone.origin and p.seq = gone.seq)
    delete from hayloft.outcome as o using unnest($2::uuid[], $3::bigint[]) as n (origin, seq)
    where o.tenant_id = $1 and o.origin = n.origin and o.seq = n.seq`,
    [tenant, origins, seqs],
  );
}

/** Stores the outcome of a child's commits of which a value lost, or that were written otherwise than they came. */
async function settleMerged(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  done: { readonly written: WriteResult; readonly applied: readonly Commit[]; readonly restamped: ReadonlySet<string> },
): Promise<void> {
  const { peer, from } = request;
  const { written, applied, restamped } = done;
  if (from === "parent") return;
  // An author whose version has another rule cannot tell from `applied` what its change came to.
  const version = peerVersionOf(env, request);
  const unaware = applied.filter(({ changes }) => changes.some((change) => env.lens.ruleDiffers(version, change.table)));
  const merged = new Map(
    [
      ...written.merged,
      ...written.replaced.keys(),
      ...unaware,
      ...applied.filter((commit) => restamped.has(commitName(commit))),
    ].map((commit) => [commitName(commit), commit]),
  );
  for (const [name, commit] of merged) {
    const code = restamped.has(name) ? "clock-ahead" : null;
    await storeOutcome(tx, commit, { outcome: "merged", code, peer, toldPosition: null });
  }
}
