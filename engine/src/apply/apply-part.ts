import { changesBytes } from "../commit/changes-bytes.ts";
import { commitHashOf } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { KeptParts } from "../log/keep-foreign.ts";
import { holdCommits } from "../quarantine/held-commit.ts";
import { releaseHeld, splitWaiting } from "../quarantine/release-held.ts";
import { outcomesToTell, storeOutcome } from "../receipt/outcomes.ts";
import type { ApplyPartRequest, ApplyRequest, ApplyResult } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { acceptCommits, storeOriginMarks } from "./accept-commits.ts";
import { beginApplying, type ReplicaEnvironment } from "./apply-environment.ts";
import { checkTenant, forgetClaims, judge, withoutEvictions } from "./apply-slice.ts";
import { RefusedCommits } from "./batch.ts";
import { bringsRowsIn } from "../scope/entering-rows.ts";
import { lockCursor, moveCursor, noteDue } from "./peer-cursor.ts";
import { dropStaged, readStaged, type StagedKey, stagedDigests, stagedKey, stagePart } from "./staged-parts.ts";
import { checkReferences, refusalOfFailure, writeUnchecked } from "./write-commits.ts";

/** A refused commit with more bytes than this is set aside without its changes: its author has them. */
const HELD_BYTES_MAX = 16 * 1_048_576;

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
  const whole: ApplyRequest = { peer, from, grant, slice: { ...part.slice, commits: header } };
  const received = await lockCursor(tx, whole);
  const digests = await stagedDigests(tx, key);
  const { fresh } = await acceptCommits(tx, env, whole, nowMs, (commit) => commitHashOf(commit, digests, env.sha256));
  const [commit] = fresh;
  const taken = commit === undefined ? nothing : await takeCommit(tx, env, whole, commit, key);
  await dropStaged(tx, peer, tenant);
  const position = Math.max(received, upTo);
  const told = { tenant, peer, grant, after, upTo: position };
  const { outcomes, areMore } = from === "child" ? await outcomesToTell(tx, env, told, header) : { outcomes: [], areMore: false };
  await moveCursor(tx, whole, position);
  const refill = from === "parent" && taken.entering;
  const purge = from === "parent" && taken.refusal !== null && taken.evicting;
  if (refill || purge) await noteDue(tx, whole, { refill, purge });
  return {
    position,
    outcomes,
    untold: areMore,
    refill,
    rowsApplied: taken.refusal === null ? taken.rows : 0,
    commitsApplied: taken.refusal === null ? fresh.length : 0,
    commitsDuplicate: header.length - fresh.length,
  };
}

/** Writes the commit, or refuses it whole. */
async function takeCommit(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  commit: Commit,
  key: StagedKey,
): Promise<WrittenParts> {
  const { peer, from } = request;
  const { tenant } = commit;
  const peerTold = from === "child" ? peer : null;
  const written = await writeParts(tx, env, request, commit, key);
  if (written.refusal === null || !written.refusal.unverified) await storeOriginMarks(tx, tenant, [commit]);
  if (written.refusal !== null) {
    const { code } = written.refusal;
    const held = await heldContent(tx, commit, key);
    await holdCommits(
      tx,
      tenant,
      [{ commit: held ?? commit, code, retryable: code === "refused-parent" && held !== null }],
      peer,
    );
    await storeOutcome(tx, commit, { outcome: "refused", code, peer: peerTold, toldPosition: null });
    return written;
  }
  if (from === "child") await forgetClaims(tx, tenant, [commit]);
  if (from === "child" && written.lost) {
    await storeOutcome(tx, commit, { outcome: "merged", code: null, peer, toldPosition: null });
  }
  if (written.isReferenced) await releaseHeld(tx, env, tenant);
  return written;
}

interface Refusal {
  readonly code: ErrorCode;
  /** True when the peer may not speak for the author: the origin's mark must not move. */
  readonly unverified: boolean;
}

interface WrittenParts {
  readonly refusal: Refusal | null;
  readonly rows: number;
  /** Some value of the commit lost under its rule. */
  readonly lost: boolean;
  /** It brought rows that others may wait for. */
  readonly isReferenced: boolean;
  /** From the parent: a row to which others refer moved in, so that what was hidden beneath it has to be filled. */
  readonly entering: boolean;
  /** It says that rows left the scope. */
  readonly evicting: boolean;
}

const nothing: WrittenParts = {
  refusal: null,
  rows: 0,
  lost: false,
  isReferenced: false,
  entering: false,
  evicting: false,
};

/** Some part of the commit cannot be taken, hence none. */
class RefusedPart extends Error {
  readonly refusal: Refusal;

  constructor(code: ErrorCode, unverified = false) {
    super("a part of the commit is refused");
    this.name = "RefusedPart";
    this.refusal = { code, unverified };
  }
}

async function writeParts(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  commit: Commit,
  key: StagedKey,
): Promise<WrittenParts> {
  const kept = new KeptParts(tx, env, { peer: request.peer, from: request.from, tenant: commit.tenant });
  let written = nothing;
  await tx.script("savepoint hayloft_parts");
  try {
    for await (const { slice } of readStaged(tx, key)) {
      const changes = slice.commits[0]?.changes ?? [];
      written = await writePart(tx, env, request, { ...commit, changes }, written);
      await kept.add({ ...commit, changes });
    }
    await checkReferences(tx);
    await kept.end(commit);
    await tx.script("release savepoint hayloft_parts");
    return written;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    await tx.script("rollback to savepoint hayloft_parts; release savepoint hayloft_parts");
    return { ...written, refusal };
  }
}

function refusalOf(error: unknown): Refusal | null {
  if (error instanceof RefusedPart) return error.refusal;
  const code = error instanceof RefusedCommits ? ([...error.refused.values()][0] ?? null) : refusalOfFailure(error);
  return code === null ? null : { code, unverified: false };
}

/** Judges and writes one part, given what was written before it. Throws `RefusedPart` and what writing throws. */
async function writePart(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ApplyRequest,
  part: Commit,
  before: WrittenParts,
): Promise<WrittenParts> {
  const { tenant } = part;
  const entering = before.entering || (request.from === "parent" && (await bringsRowsIn(tx, env, tenant, [part])));
  const { refused, unverified } = await judge(tx, env, request, [part]);
  const code = refused.get(part);
  if (code !== undefined) throw new RefusedPart(code, unverified.has(part));
  const { waiting } = await splitWaiting(tx, env, tenant, [part]);
  if (waiting.length > 0) throw new RefusedPart("refused-parent");
  const { losers } = await writeUnchecked(tx, env, tenant, [withoutEvictions(part, request.from)], {
    from: request.from,
    duplicates: "likely",
  });
  return {
    refusal: null,
    rows: before.rows + part.changes.reduce((sum, change) => sum + change.rowCount, 0),
    lost: before.lost || losers.some(({ loser }) => loser.lost === "incoming"),
    isReferenced: before.isReferenced || part.changes.some(({ table }) => env.referenced.has(table)),
    entering,
    evicting: before.evicting || part.changes.some(({ op }) => op === "evict"),
  };
}

/** The commit with its changes, to be set aside; null when they are too many. */
async function heldContent(tx: SqlSession, commit: Commit, key: StagedKey): Promise<Commit | null> {
  const changes: Change[] = [];
  let bytes = 0;
  for await (const { slice } of readStaged(tx, key)) {
    const more = slice.commits[0]?.changes ?? [];
    bytes += changesBytes(more);
    if (bytes > HELD_BYTES_MAX) return null;
    changes.push(...more);
  }
  return { ...commit, changes };
}
