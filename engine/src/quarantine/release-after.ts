import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Commit } from "../commit/commit.ts";
import type { SqlSession } from "../store/database.ts";
import { footprintOf, type HeldBefore, placeOf } from "./dependence.ts";
import { type HeldCommit, type HeldId, readHeld } from "./held-commit.ts";
import { keptKey } from "./hold-commits.ts";
import { allNeedsHere } from "./needed-rows.ts";
import { healChain, readWaiting, tryRelease } from "./try-release.ts";

/** Held commits tried in one transaction; what is left is found by the next look at all of them. */
const RELEASED_MAX = 2_000;
/** Held takings-away looked at when rows were taken away. */
const CHILDREN_MAX = 200;

/**
 * What new commits may set free: commits that waited for rows which they brought, or for rows to go that they took away; and
 * chains that they continue. Costs one small query while nothing is held.
 */
export async function releaseAfter(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  { applied, dependants }: { readonly applied: readonly Commit[]; readonly dependants: readonly HeldBefore[] },
): Promise<number> {
  let count = 0;
  const seen = new Set<string>();
  for (const cause of dependants) {
    const root = await rootOf(tx, tenant, cause);
    const name = root === null ? "" : `${root.origin} ${String(root.seq)}`;
    if (root === null || seen.has(name)) continue;
    seen.add(name);
    count += await healChain(tx, env, root);
  }
  if (applied.length === 0) return count;
  const due = [...(await waitingFor(tx, env, tenant, applied)), ...(await waitingToTakeAway(tx, tenant, applied))];
  return count + (await releaseAll(tx, env, tenant, due));
}

/** The held commit at the end of the causes, when it is held for others. */
async function rootOf(tx: SqlSession, tenant: string, id: HeldId): Promise<HeldCommit | null> {
  let item = await readHeld(tx, tenant, id.origin, id.seq);
  for (let steps = 0; item !== null && item.cause !== null && steps < 1_000; steps += 1) {
    const next = await readHeld(tx, tenant, item.cause.origin, item.cause.seq);
    if (next === null || next.state !== "held") break;
    item = next;
  }
  return item === null || item.peer === null || item.state !== "held" ? null : item;
}

async function waitingFor(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  applied: readonly Commit[],
): Promise<readonly HeldId[]> {
  const brought = new Set(
    applied.flatMap(({ changes }) => changes.filter(({ op }) => op !== "delete" && op !== "evict").map(({ table }) => table)),
  );
  if (![...brought].some((table) => env.referenced.has(table))) return [];
  const wanted = await tx.query<{ table_name: string }>(
    `select distinct table_name from hayloft.quarantine_place where tenant_id = $1 and not own and use = 'needs'`,
    [tenant],
  );
  const tables = new Set(wanted.rows.map((row) => row.table_name).filter((table) => brought.has(table)));
  if (tables.size === 0) return [];
  const made = new Set(
    applied.flatMap((commit) => {
      const { makes, changes } = footprintOf(commit, env.plans, (table) => tables.has(table));
      return [...makes, ...changes];
    }),
  );
  const places = [...made].map(placeOf);
  const { rows } = await tx.query<HeldId>(
    `select q.origin, q.seq from hayloft.quarantine q where q.tenant_id = $1 and q.state = 'held' and q.peer is not null and q.retryable
      and exists (select from hayloft.quarantine_place p join unnest($2::text[], $3::text[]) as n (table_name, row_key)
          on n.table_name = p.table_name and n.row_key = p.row_key
        where p.tenant_id = q.tenant_id and p.origin = q.origin and p.seq = q.seq and p.use = 'needs')
    order by q.held_order limit $4`,
    [tenant, places.map(({ table }) => table), places.map(({ key }) => keptKey(key)), RELEASED_MAX],
  );
  return await allNeedsHere(tx, env, tenant, rows);
}

async function waitingToTakeAway(tx: SqlSession, tenant: string, applied: readonly Commit[]): Promise<readonly HeldId[]> {
  const takes = applied.some(({ changes }) => changes.some(({ op }) => op !== "insert"));
  if (!takes) return [];
  return await heldTakings(tx, tenant);
}

/** Commits that wait until rows are gone which refer to what they take away. */
export async function heldTakings(tx: SqlSession, tenant: string): Promise<readonly HeldId[]> {
  const { rows } = await tx.query<HeldId>(
    `select origin, seq from hayloft.quarantine where tenant_id = $1 and state = 'held' and code = 'refused-children' and peer is not null
    order by held_order limit $2`,
    [tenant, CHILDREN_MAX],
  );
  return rows;
}

/** Tries held commits, and what builds on those that it could apply. Returns how many were applied. */
export async function releaseAll(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  due: readonly HeldId[],
): Promise<number> {
  const queue = [...due];
  let count = 0;
  for (let tried = 0; queue.length > 0 && tried < RELEASED_MAX; tried += 1) {
    const id = queue.shift();
    const item = id === undefined ? null : await readWaiting(tx, tenant, id);
    if (item === null || !(await tryRelease(tx, env, item))) continue;
    count += 1;
    queue.push(...(await behindOf(tx, env, tenant, item)));
  }
  return count;
}

/** Those that name the commit as their cause, and those that waited for a row that it brought. */
async function behindOf(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  { origin, seq, commit }: HeldCommit,
): Promise<readonly HeldId[]> {
  const { rows } = await tx.query<HeldId>(
    `select origin, seq from hayloft.quarantine where tenant_id = $1 and state = 'held' and cause_origin = $2::uuid and cause_seq = $3::bigint
    order by held_order`,
    [tenant, origin, seq],
  );
  return [...rows, ...(await waitingFor(tx, env, tenant, [commit]))];
}
