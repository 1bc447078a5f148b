import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { findAuthors, grantOf } from "../apply/find-authors.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { nodeOfPeer } from "../incarnation/peer-of-copy.ts";
import type { SqlSession } from "../store/database.ts";
import type { HeldId } from "./held-commit.ts";
import { allNeedsHere } from "./needed-rows.ts";
import { releaseAll } from "./release-after.ts";
import { maybeCircular, releaseCircle } from "./release-circle.ts";
import { releaseOf } from "./released-by.ts";
import { sourceOf } from "./try-release.ts";

/** Held commits looked at by one call. */
export const RELEASE_MAX = 200;

export interface Released {
  readonly count: number;
  /** Where the next call goes on; null when the last of the held commits was looked at. */
  readonly next: string | null;
}

interface Candidate extends HeldId {
  readonly held_order: string;
  readonly code: ErrorCode;
  readonly node_id: string;
  readonly peer: string;
  readonly judged_by: string | null;
  readonly cause_state: string | null;
}

/**
 * Looks at a bounded number of held commits after a place and tries those whose cause is gone, so that hopeless ones hold up
 * nobody: the rows that they refer to are here; the commit that they build on is settled; the registry's rows of their author
 * and of the node that brought them are others; the catalog is another. Their outcome becomes `applied` or `merged` and is told to
 * the child; what builds on them follows.
 */
export async function releaseHeld(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  after: string | null = null,
): Promise<Released> {
  const { rows } = await tx.query<Candidate>(
    `select q.origin, q.seq, q.held_order::text as held_order, q.code, q.node_id, q.peer, q.judged_by,
      (select c.state from hayloft.quarantine c where c.tenant_id = q.tenant_id and c.origin = q.cause_origin and c.seq = q.cause_seq) as cause_state
    from hayloft.quarantine q where q.tenant_id = $1 and q.state = 'held' and q.retryable and q.peer is not null and q.held_order > $2::bigint
    order by q.held_order limit $3`,
    [tenant, after ?? "0", RELEASE_MAX],
  );
  const referring = await allNeedsHere(
    tx,
    env,
    tenant,
    rows.filter(({ code }) => releaseOf(code) === "row"),
  );
  const hopeful = new Set<Candidate>(referring);
  for (const row of rows) if (await isDue(tx, env, tenant, row)) hopeful.add(row);
  const due = rows.filter((row) => hopeful.has(row));
  let count = await releaseAll(tx, env, tenant, due);
  const waiting = rows.filter((row) => row.code === "refused-parent" && !hopeful.has(row));
  for (const id of await maybeCircular(tx, tenant, waiting)) count += await releaseCircle(tx, env, tenant, id);
  return { count, next: rows.length < RELEASE_MAX ? null : (rows.at(-1)?.held_order ?? null) };
}

async function isDue(tx: SqlSession, env: ReplicaEnvironment, tenant: string, row: Candidate): Promise<boolean> {
  const by = releaseOf(row.code);
  if (by === "cause") return row.cause_state !== "held";
  if (by === "catalog") return row.judged_by?.split(" ", 1)[0] !== env.catalogMark;
  if (by === "authority") return (await authorityMark(tx, env, tenant, row)) !== row.judged_by;
  return by === "children";
}

/** What a judge would look at now; the mark that is kept when nobody could judge. */
async function authorityMark(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  { node_id: node, peer, judged_by: before }: Candidate,
): Promise<string | null> {
  if ((await sourceOf(tx, tenant, peer)).from === "parent") return env.catalogMark;
  const grant = await grantOf(tx, env, tenant, peer);
  if (grant === null) return before;
  const { markOf } = await findAuthors(tx, env, await nodeOfPeer(tx, tenant, peer), grant, [{ node }]);
  return markOf({ node });
}
