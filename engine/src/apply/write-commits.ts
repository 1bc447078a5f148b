import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { ApplyRequest } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { evictDependents } from "../scope/evict-dependents.ts";
import { sqlstateOf } from "../store/sql-error.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { itemsByTable, RefusedCommits } from "./batch.ts";
import { type CommitLoser, writeMerged } from "./write-merged.ts";
import { type Duplicates, writePlain } from "./write-plain.ts";

export interface WriteResult {
  readonly refused: ReadonlyMap<Commit, ErrorCode>;
  readonly losers: readonly CommitLoser[];
}

/** How commits are written. */
interface Writing {
  /** Whose word they are. */
  readonly from: ApplyRequest["from"];
  readonly duplicates: Duplicates;
}

/** Writes the changes of commits table by table in foreign-key order, runs projections, and checks the foreign keys. */
async function writeAll(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  { from, duplicates }: Writing,
): Promise<readonly CommitLoser[]> {
  const losers: CommitLoser[] = [];
  const tables = itemsByTable(commits);
  let checks = false;
  for (const name of env.writeOrder) {
    const items = tables.get(name);
    const plan = env.plans.get(name);
    if (items === undefined || plan === undefined) continue;
    if (plan.merges) losers.push(...(await writeMerged(tx, plan, tenant, items, from)));
    else await writePlain(tx, plan, tenant, items, duplicates);
    checks ||= env.linked.has(name);
  }
  if (from === "parent") await evictDependents(tx, env, tenant, commits);
  for (const items of tables.values()) for (const { change } of items) await projectChange(tx, env, change);
  if (checks) await tx.script("set constraints all immediate; set constraints all deferred");
  return losers;
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

/**
 * Writes commits as one batch. When the batch fails for a reason that lies in the data, it is halved until the commits that
 * fail stand alone; those are refused whole and the rest is written. Any other failure is thrown. `from` says whose word the
 * commits are: a child's are held to what their author's tier may do.
 */
export async function writeCommits(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  from: ApplyRequest["from"],
): Promise<WriteResult> {
  // A child's commit that is here already never comes this far. What a parent sends may be in a snapshot that it sent before.
  return await writeBatch(tx, env, tenant, commits, { from, duplicates: from === "child" ? "unlikely" : "likely" });
}

const UNIQUE_VIOLATION = "23505";

async function writeBatch(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  writing: Writing,
): Promise<WriteResult> {
  if (commits.length === 0) return { refused: new Map(), losers: [] };
  await tx.script("savepoint hayloft_batch");
  try {
    const losers = await writeAll(tx, env, tenant, commits, writing);
    await tx.script("release savepoint hayloft_batch");
    return { refused: new Map(), losers };
  } catch (error) {
    const named = error instanceof RefusedCommits ? error.refused : null;
    const code = refusalOfFailure(error);
    if (named === null && code === null) throw error;
    await tx.script("rollback to savepoint hayloft_batch; release savepoint hayloft_batch");
    if (named !== null) return await writeWithout(tx, env, tenant, commits, named, writing);
    if (writing.duplicates === "unlikely" && sqlstateOf(error) === UNIQUE_VIOLATION) {
      return await writeBatch(tx, env, tenant, commits, { ...writing, duplicates: "likely" });
    }
    const [only] = commits;
    if (commits.length === 1 && only !== undefined && code !== null) return { refused: new Map([[only, code]]), losers: [] };
    return await writeHalves(tx, env, tenant, commits, writing);
  }
}

async function writeWithout(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  named: ReadonlyMap<Commit, ErrorCode>,
  writing: Writing,
): Promise<WriteResult> {
  const left = commits.filter((commit) => !named.has(commit));
  if (left.length === commits.length) throw new HayloftError("sql-failed", { reason: "a batch named no commit of its own" });
  const rest = await writeBatch(tx, env, tenant, left, writing);
  return { refused: new Map([...named, ...rest.refused]), losers: rest.losers };
}

async function writeHalves(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  commits: readonly Commit[],
  writing: Writing,
): Promise<WriteResult> {
  const middle = Math.ceil(commits.length / 2);
  const first = await writeBatch(tx, env, tenant, commits.slice(0, middle), writing);
  const second = await writeBatch(tx, env, tenant, commits.slice(middle), writing);
  return { refused: new Map([...first.refused, ...second.refused]), losers: [...first.losers, ...second.losers] };
}
