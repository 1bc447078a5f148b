import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { HeldBefore } from "../quarantine/dependence.ts";
import { codeBehind } from "../quarantine/released-by.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { evictDependents } from "../scope/evict-dependents.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import { answerMissingParents } from "./missing-parents.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { itemsByTable, RefusedCommits, type Surprises, UnexpectedRows } from "./batch.ts";
import { suspectsOf } from "./suspects.ts";
import { LossBook } from "../journal/loss-book.ts";
import { recordLosses } from "../journal/record-losses.ts";
import { writeMerged } from "./write-merged.ts";
import { writePlain } from "./write-plain.ts";

export interface WriteResult {
  readonly refused: ReadonlyMap<Commit, ErrorCode>;
  /** Commits that were not written, because they build on a refused one. */
  readonly causes: ReadonlyMap<Commit, HeldBefore>;
  /** Commits of which a value lost to another. */
  readonly merged: ReadonlySet<Commit>;
  /** Commits that were written otherwise than they came: with a reference taken off. */
  readonly replaced: ReadonlyMap<Commit, Commit>;
  /** Commits of this node that were written with them: parent rows brought back, references taken off. They belong in the log. */
  readonly companions: readonly Commit[];
}

/** How commits are written. */
interface Writing {
  /** Whose word they are. */
  readonly from: ApplyRequest["from"];
  readonly surprises: Surprises;
}

/**
 * Writes the changes of commits table by table in foreign-key order, runs projections, checks the foreign keys, and puts into the
 * journal what lost. Returns the commits of which a value lost.
 */
async function writeAll(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  writing: Writing,
): Promise<ReadonlySet<Commit>> {
  const { merged, checks } = await writeUnchecked(tx, env, tenant, commits, writing);
  if (checks) await checkReferences(tx);
  return merged;
}

/** Checks the foreign keys of all that this transaction wrote. */
export async function checkReferences(tx: SqlSession): Promise<void> {
  await tx.script("set constraints all immediate; set constraints all deferred");
}

/** Writes changes as `writeAll` does, and leaves the foreign keys to the caller: `checks` says that there are some. */
export async function writeUnchecked(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  { from, surprises }: Writing,
): Promise<{ readonly merged: ReadonlySet<Commit>; readonly checks: boolean }> {
  const book = new LossBook();
  const tables = itemsByTable(commits, from);
  let checks = false;
  for (const name of env.writeOrder) {
    const items = tables.get(name);
    const plan = env.plans.get(name);
    if (items === undefined || plan === undefined) continue;
    if (plan.merges) book.append(await writeMerged(tx, plan, tenant, items, { from, isTop: !env.hasParent, surprises }));
    else book.append(await writePlain(tx, plan, tenant, items, { surprises, isReferenced: env.referenced.has(name) }));
    checks ||= env.linked.has(name);
  }
  if (from === "parent") await evictDependents(tx, env, tenant, commits);
  for (const items of tables.values()) for (const { change } of items) await projectChange(tx, env, change);
  await recordLosses(tx, env, tenant, book);
  return { merged: book.merged, checks };
}

/** Runs the table's projection. What it throws counts against the change, unless trying again helps. */
export async function projectChange(tx: SqlSession, env: ReplicaEnvironment, change: Change): Promise<void> {
  try {
    await env.projections[change.table]?.(tx, change);
  } catch (error) {
    throw passes(error) ? error : new ProjectionFailed(error);
  }
}

/** A projection cannot take a change. */
class ProjectionFailed extends Error {
  constructor(cause: unknown) {
    super("a projection failed", { cause });
    this.name = "ProjectionFailed";
  }
}

/** Classes of SQLSTATE that speak of the connection, the transaction, the server or its resources: trying again helps. */
const passingClasses: ReadonlySet<string> = new Set(["08", "25", "40", "53", "55", "57", "58", "XX"]);

function passes(error: unknown): boolean {
  if (!(error instanceof HayloftError)) return false;
  const sqlstate = sqlstateOf(error);
  return sqlstate === null
    ? error.code === "unavailable" || error.code.startsWith("store-")
    : passingClasses.has(sqlstate.slice(0, 2));
}

/** Data, constraints, limits such as the size of an index entry, and errors raised by functions of the application. */
const refusingClasses: ReadonlySet<string> = new Set(["22", "23", "54", "P0"]);

/** The code for a commit that cannot be written, or null for a failure that says nothing about the commit. */
export function refusalOfFailure(error: unknown): ErrorCode | null {
  if (error instanceof ProjectionFailed) return "refused-constraint";
  const sqlstate = sqlstateOf(error);
  if (sqlstate === null) return null;
  if (sqlstate === "23503") return "refused-parent";
  return refusingClasses.has(sqlstate.slice(0, 2)) ? "refused-constraint" : null;
}

/** Of commits in order, of which some are held, the others that step aside with these. */
export type FindDependants = (
  commits: readonly Commit[],
  held: ReadonlyMap<Commit, ErrorCode>,
) => Promise<ReadonlyMap<Commit, HeldBefore>>;

interface Run extends Writing {
  readonly tx: SqlSession;
  readonly env: ReplicaEnvironment;
  readonly tenant: string;
  readonly dependants: FindDependants | null;
  /** How often more the database's word is taken for which commit failed. */
  readonly hints: number;
}

/** The SQLSTATE of a row that is there already. */
export const UNIQUE_VIOLATION = "23505";

/** Large batches with more that cannot be written are cut blindly: each hint costs writing the rest of the batch again. */
const HINTS_MAX = 4;
/** In smaller batches writing the rest again costs less than the round trips of more cuts, however many hints it takes. */
const SMALL_BATCH = 256;

/**
 * Parts into which a batch is cut that cannot be written whole, and of which the database does not say why. Sixteen find one commit among 4,096 in three cuts, and what is
 * written again beside it is one part of sixteen; halves would write the batch three times.
 */
const PARTS = 16;

const nothingWritten: WriteResult = {
  refused: new Map(),
  causes: new Map(),
  merged: new Set(),
  replaced: new Map(),
  companions: [],
};

/**
 * Writes commits as one batch. When the batch fails for a reason that lies in the data, it is cut until the commits that fail stand alone, around
 * the commit of which the database speaks, or else into parts; those are refused whole, those that build on them step aside, and the rest is written. Any other failure
 * is thrown. `from` says whose word the commits are: a child's are held to what their author's tier may do.
 */
export async function writeCommits(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  from: ApplyRequest["from"],
  dependants: FindDependants | null = null,
): Promise<WriteResult> {
  // A child's commit that is here already never comes this far. What a parent sends may be in a snapshot that it sent before.
  const surprises = from === "child" ? "unlikely" : "likely";
  return await writeBatch({ tx, env, tenant, from, dependants, surprises, hints: HINTS_MAX }, commits);
}

/** Writes the commits together or not at all; null when they cannot be written for a reason that lies in the data. */
export async function writeTogether(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  from: ApplyRequest["from"],
): Promise<ReadonlySet<Commit> | null> {
  const tried = await attempt({ tx, env, tenant, from, dependants: null, surprises: "likely", hints: 0 }, commits);
  return "merged" in tried ? tried.merged : null;
}

type Attempt = { readonly merged: ReadonlySet<Commit> } | { readonly error: unknown };

/** Leaves nothing behind when it fails for a reason that lies in the data; throws any other failure. */
async function attempt(run: Run, commits: readonly Commit[]): Promise<Attempt> {
  const { tx, env, tenant } = run;
  await tx.script("savepoint hayloft_batch");
  try {
    const merged = await writeAll(tx, env, tenant, commits, run);
    await tx.script("release savepoint hayloft_batch");
    return { merged };
  } catch (error) {
    if (!(error instanceof RefusedCommits || error instanceof UnexpectedRows) && refusalOfFailure(error) === null) throw error;
    await tx.script("rollback to savepoint hayloft_batch; release savepoint hayloft_batch");
    return { error };
  }
}

const isSurprise = (error: unknown): boolean => error instanceof UnexpectedRows || sqlstateOf(error) === UNIQUE_VIOLATION;

async function writeBatch(run: Run, commits: readonly Commit[]): Promise<WriteResult> {
  if (commits.length === 0) return nothingWritten;
  const tried = await attempt(run, commits);
  if ("merged" in tried) return { ...nothingWritten, merged: tried.merged };
  if (tried.error instanceof RefusedCommits) return await writeWithout(run, commits, tried.error.refused);
  if (run.surprises === "unlikely" && isSurprise(tried.error)) return await writeBatch({ ...run, surprises: "likely" }, commits);
  const [only] = commits;
  if (commits.length === 1 && only !== undefined) return await writeAlone(run, only, tried.error);
  const hinted = run.hints > 0 || commits.length <= SMALL_BATCH;
  const suspects = hinted ? suspectsOf(tried.error, commits, run.env.plans) : [];
  return await writeParts({ ...run, hints: Math.max(0, run.hints - 1) }, cutAround(commits, suspects));
}

/** The commits in order: each suspect alone, and those between them together; without suspects in parts of one size. */
function cutAround(commits: readonly Commit[], suspects: readonly Commit[]): readonly (readonly Commit[])[] {
  const size = Math.ceil(commits.length / PARTS);
  if (suspects.length === 0)
    return Array.from({ length: Math.ceil(commits.length / size) }, (_, part) => commits.slice(part * size, (part + 1) * size));
  const places = suspects.map((commit) => commits.indexOf(commit));
  const cuts = [...new Set([0, ...places.flatMap((place) => [place, place + 1]), commits.length])];
  return cuts.slice(1).map((end, index) => commits.slice(cuts[index], end));
}

/** What becomes of a commit that cannot be written by itself. */
async function writeAlone(run: Run, commit: Commit, error: unknown): Promise<WriteResult> {
  const code = refusalOfFailure(error) ?? "refused-constraint";
  if (code !== "refused-parent") return { ...nothingWritten, refused: new Map([[commit, code]]) };
  const answer = await answerMissingParents(run.tx, run.env, commit);
  if (answer.code !== null) return { ...nothingWritten, refused: new Map([[commit, answer.code]]) };
  const tried = await attempt(run, [...answer.companions, answer.commit]);
  if ("error" in tried) {
    const reason = tried.error instanceof RefusedCommits ? null : refusalOfFailure(tried.error);
    return { ...nothingWritten, refused: new Map([[commit, reason ?? "refused-constraint"]]) };
  }
  const { companions } = answer;
  return { ...nothingWritten, merged: tried.merged, replaced: new Map([[commit, answer.commit]]), companions };
}

async function writeWithout(run: Run, commits: readonly Commit[], named: ReadonlyMap<Commit, ErrorCode>): Promise<WriteResult> {
  const left = commits.filter((commit) => !named.has(commit));
  if (left.length === commits.length) throw new HayloftError("sql-failed", { reason: "a batch named no commit of its own" });
  const causes = await findBehind(run, commits, named);
  const rest = await writeBatch(
    run,
    left.filter((commit) => !causes.has(commit)),
  );
  return joined([{ ...nothingWritten, refused: named, causes }, rest]);
}

async function writeParts(run: Run, parts: readonly (readonly Commit[])[]): Promise<WriteResult> {
  const results: WriteResult[] = [];
  const aside = new Set<Commit>();
  for (const [index, part] of parts.entries()) {
    const written = await writeBatch(
      run,
      part.filter((commit) => !aside.has(commit)),
    );
    results.push(written);
    const held = new Map([
      ...written.refused,
      ...[...written.causes].map(([commit, cause]) => [commit, codeBehind(cause)] as const),
    ]);
    const left = parts.slice(index + 1).flatMap((later) => later.filter((commit) => !aside.has(commit)));
    const causes = await findBehind(run, [...held.keys(), ...left], held);
    if (causes.size === 0) continue;
    results.push({ ...nothingWritten, causes });
    for (const commit of causes.keys()) aside.add(commit);
  }
  return joined(results);
}

const nobody: ReadonlyMap<Commit, HeldBefore> = new Map();

/** The commits behind the held ones, in the order of the batch, that build on them. */
const findBehind = async (
  { dependants }: Run,
  commits: readonly Commit[],
  held: ReadonlyMap<Commit, ErrorCode>,
): Promise<ReadonlyMap<Commit, HeldBefore>> =>
  dependants === null || held.size === 0 || held.size === commits.length ? nobody : await dependants(commits, held);

const joined = (results: readonly WriteResult[]): WriteResult => ({
  refused: new Map(results.flatMap((result) => [...result.refused])),
  causes: new Map(results.flatMap((result) => [...result.causes])),
  merged: new Set(results.flatMap((result) => [...result.merged])),
  replaced: new Map(results.flatMap((result) => [...result.replaced])),
  companions: results.flatMap((result) => result.companions),
});
