import { restampRelayed } from "./restamp-relayed.ts";
import { commitHashOf } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { KeptParts } from "../log/keep-foreign.ts";
import type { HeldBefore } from "../quarantine/dependence.ts";
import { HeldIndex } from "../quarantine/held-index.ts";
import { releaseAfter } from "../quarantine/release-after.ts";
import { settleRefused } from "../quarantine/settle-refused.ts";
import { takeActions } from "../quarantine/take-actions.ts";
import { outcomesToTell, storeOutcome } from "../receipt/outcomes.ts";
import type { ApplyPartRequest, ApplyRequest, ApplyResult } from "../replica/replica-storage.ts";
import { bringsRowsIn } from "../scope/entering-rows.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { acceptCommits, storeOriginMarks } from "./accept-commits.ts";
import { beginApplying, type ReplicaEnvironment } from "./apply-environment.ts";
import { checkTenant, forgetClaims, takesRows } from "./apply-slice.ts";
import { RefusedCommits } from "./batch.ts";
import { judgeCommits, type JudgedSource } from "./judge-commits.ts";
import { keepOwnRows } from "./keep-own-rows.ts";
import { type LiftedCommits, liftCommits } from "./lift-commits.ts";
import { lockCursor, moveCursor, noteDue } from "./peer-cursor.ts";
import { dropStaged, readStaged, type StagedKey, stagedDigests, stagedKey, stagePart } from "./staged-parts.ts";
import { checkReferences, refusalOfFailure, writeUnchecked } from "./write-commits.ts";

/**
 * Stores a part of a commit, and with the last one applies the commit: part by part, so that one is in memory at a time, in one
 * transaction, so that nothing of it is seen before. `ReplicaStorage.applyPart` says what it throws.
 */
export async function applyPart(
  database: Database,
  env: ReplicaEnvironment,
  request: ApplyPartRequest,
  nowMs: number,
): Promise<ApplyResult | null> {
  checkTenant(env, { ...request, slice: request.part.slice });
  await database.transaction(async (tx) => await stagePart(tx, env, request));
  if (!request.part.last) return null;
  return await database.transaction(async (tx) => {
    await beginApplying(tx);
    return await applyStaged(tx, env, request, nowMs);
  });
}

async function applyStaged(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyPartRequest,
  nowMs: number,
): Promise<ApplyResult> {
  const { peer, from, grant, part } = request;
  const { tenant, after, upTo } = part.slice;
  const key = stagedKey(request);
  const header = part.slice.commits.map((commit): Commit => ({ ...commit, changes: [] }));
  const { part: _part, ...sender } = request;
  const whole: ApplyRequest = { ...sender, slice: { ...part.slice, commits: header } };
  const source = { tenant, peer, from, grant, ...(request.node !== undefined && { node: request.node }) };
  const received = await lockCursor(tx, whole);
  const digests = await stagedDigests(tx, key);
  const { fresh, strange } = await acceptCommits(tx, env, whole, nowMs, (commit) => commitHashOf(commit, digests, env.sha256));
  const [sealed] = fresh;
  if (sealed !== undefined && strange.has(sealed))
    throw new HayloftError("history-diverged", { origin: sealed.origin, seq: sealed.seq });
  const { commits, names } = await restampRelayed(tx, env, whole, fresh, nowMs);
  const [commit] = commits;
  const taken = commit === undefined ? nothing : await takeCommit(tx, env, source, { commit, restamped: names.size > 0 }, key);
  await dropStaged(tx, peer, tenant);
  const position = Math.max(received, upTo);
  const version = request.peerVersion ?? env.catalog.version;
  const told = { tenant, peer, node: request.node ?? peer, grant, received, after, upTo, version };
  const { outcomes, areMore } = from === "child" ? await outcomesToTell(tx, env, told, []) : { outcomes: [], areMore: false };
  await moveCursor(tx, whole, position);
  const refill = from === "parent" && taken.entering;
  const purge = from === "parent" && taken.aside !== null && taken.evicting;
  if (refill || purge) await noteDue(tx, whole, { refill, purge });
  return {
    position,
    outcomes,
    untold: areMore,
    refill,
    rowsApplied: taken.aside === null ? taken.rows : 0,
    commitsApplied: taken.aside === null ? fresh.length : 0,
    commitsDuplicate: header.length - fresh.length,
  };
}

/** Writes the commit, or sets it aside whole. */
async function takeCommit(
  tx: SqlSession,
  env: ReplicaEnvironment,
  source: JudgedSource,
  { commit, restamped }: { readonly commit: Commit; readonly restamped: boolean },
  key: StagedKey,
): Promise<WrittenParts> {
  const { tenant } = commit;
  const written = await writeParts(tx, env, source, commit, key);
  const { aside } = written;
  if (aside === null || !aside.unverified) await storeOriginMarks(tx, tenant, [commit]);
  if (aside !== null) {
    // What is set aside is kept whole, in one row: it has to be judged again, shown and sent again as it came.
    const held = await wholeCommit(tx, commit, key);
    const { commits: order, originalOf } = liftCommits(env.lens, [held]);
    const { code, cause } = aside;
    const refused = new Map(code === null ? [] : order.map((item) => [item, code] as const));
    const dependants = new Map(cause === null ? [] : order.map((item) => [item, cause] as const));
    await settleRefused(tx, env, source, { refused, dependants, markOf: () => aside.mark, order, originalOf });
    await releaseAfter(tx, env, tenant, { applied: [], dependants: [...dependants.values()] });
    return written;
  }
  if (source.from === "child") await forgetClaims(tx, tenant, [commit]);
  if (source.from === "child" && (written.lost || restamped)) {
    const code = restamped ? "clock-ahead" : null;
    await storeOutcome(tx, commit, { outcome: "merged", code, peer: source.peer, toldPosition: null });
  }
  if (await anyHeld(tx, tenant)) {
    for await (const part of partsOf(tx, commit, key)) {
      await releaseAfter(tx, env, tenant, { applied: liftCommits(env.lens, [part]).commits, dependants: [] });
    }
  }
  return written;
}

/** Why the commit is not written. */
interface SetAside {
  readonly code: ErrorCode | null;
  /** The held commit on which it builds. */
  readonly cause: HeldBefore | null;
  readonly mark: string;
  /** True when the peer may not speak for the author: the origin's mark must not move. */
  readonly unverified: boolean;
}

interface WrittenParts {
  readonly aside: SetAside | null;
  readonly rows: number;
  /** Some value of the commit lost under its rule. */
  readonly lost: boolean;
  /** From the parent: a row to which others refer moved in, so that what was hidden beneath it has to be filled. */
  readonly entering: boolean;
  /** It says that rows left the scope. */
  readonly evicting: boolean;
}

const nothing: WrittenParts = { aside: null, rows: 0, lost: false, entering: false, evicting: false };

/** Some part of the commit cannot be taken, hence none. */
class PartSetAside extends Error {
  readonly aside: SetAside;

  constructor(aside: SetAside) {
    super("a part of the commit cannot be taken");
    this.name = "PartSetAside";
    this.aside = aside;
  }
}

async function writeParts(
  tx: SqlSession,
  env: ReplicaEnvironment,
  source: JudgedSource,
  commit: Commit,
  key: StagedKey,
): Promise<WrittenParts> {
  const held = await HeldIndex.open(tx, env, source);
  const kept = new KeptParts(tx, env, source);
  let written = nothing;
  await tx.script("savepoint hayloft_parts");
  try {
    for await (const part of partsOf(tx, commit, key)) {
      const lifted = await keepOwnRows(tx, env, source, liftCommits(env.lens, [part]));
      written = await writePart(tx, env, { source, held }, lifted, written);
      await kept.add(part);
      for (const item of lifted.commits) await takeActions(tx, env, item);
    }
    await checkReferences(tx);
    await kept.end(commit);
    await tx.script("release savepoint hayloft_parts");
    return written;
  } catch (error) {
    const aside = asideOf(env, error);
    if (aside === null) throw error;
    await tx.script("rollback to savepoint hayloft_parts; release savepoint hayloft_parts");
    return { ...written, aside };
  }
}

function asideOf(env: ReplicaEnvironment, error: unknown): SetAside | null {
  if (error instanceof PartSetAside) return error.aside;
  const code = error instanceof RefusedCommits ? ([...error.refused.values()][0] ?? null) : refusalOfFailure(error);
  return code === null ? null : { code, cause: null, mark: env.catalogMark, unverified: false };
}

/** Judges and writes one part, given what was written before it. Throws `PartSetAside` and what writing throws. */
async function writePart(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { source, held }: { readonly source: JudgedSource; readonly held: HeldIndex },
  lifted: LiftedCommits,
  before: WrittenParts,
): Promise<WrittenParts> {
  const { tenant, from } = source;
  const [part] = lifted.commits;
  if (part === undefined) return before;
  const { refused, unverified, markOf } = await judgeCommits(tx, env, source, lifted);
  const code = refused.get(part) ?? null;
  const { causes } = await held.split([part], refused);
  const cause = causes.get(part) ?? null;
  if (code !== null || cause !== null) {
    throw new PartSetAside({ code, cause: code === null ? cause : null, mark: markOf(part), unverified: unverified.has(part) });
  }
  const entering = before.entering || (from === "parent" && (await bringsRowsIn(tx, env, tenant, [part])));
  const { merged } = await writeUnchecked(tx, env, tenant, [part], { from, surprises: "likely" });
  return {
    aside: null,
    rows: before.rows + part.changes.reduce((sum, change) => sum + change.rowCount, 0),
    lost: before.lost || merged.size > 0 || isUnaware(env, lifted.originalOf(part), part),
    entering,
    evicting: before.evicting || takesRows(part),
  };
}

/** An author whose version has another rule for a table cannot tell what its change came to, and is told the rows. */
const isUnaware = (env: ReplicaEnvironment, { catalogVersion }: Commit, { changes }: Commit): boolean =>
  changes.some((change) => env.lens.ruleDiffers(catalogVersion, change.table));

/** The commit with the changes of one stored part after another. */
async function* partsOf(tx: SqlSession, commit: Commit, key: StagedKey): AsyncGenerator<Commit> {
  for await (const { slice } of readStaged(tx, key)) yield { ...commit, changes: slice.commits[0]?.changes ?? [] };
}

async function wholeCommit(tx: SqlSession, commit: Commit, key: StagedKey): Promise<Commit> {
  const changes: Change[] = [];
  for await (const part of partsOf(tx, commit, key)) for (const change of part.changes) changes.push(change);
  return { ...commit, changes };
}

async function anyHeld(tx: SqlSession, tenant: string): Promise<boolean> {
  const { rows } = await tx.query(`select from hayloft.quarantine where tenant_id = $1 and state = 'held' limit 1`, [tenant]);
  return rows.length > 0;
}
