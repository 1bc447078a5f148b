import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { SqlSession } from "../store/database.ts";
import { footprintOf, placeOf } from "./dependence.ts";
import type { HeldCommit, HeldId } from "./held-commit.ts";
import { keptKey } from "./hold-commits.ts";
import { rowsHere } from "./rows-here.ts";
import { readWaiting, releaseTogether } from "./try-release.ts";

/** Commits of one circle. */
const CIRCLE_MAX = 64;

/** Of waiting commits those that refer to a row which another held commit would bring: they may wait for each other. */
export async function maybeCircular(tx: SqlSession, tenant: string, ids: readonly HeldId[]): Promise<readonly HeldId[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<HeldId>(
    `select distinct n.origin, n.seq from hayloft.quarantine_place n
    join unnest($2::uuid[], $3::bigint[]) as asked (origin, seq) on asked.origin = n.origin and asked.seq = n.seq
    join hayloft.quarantine_place m on m.tenant_id = n.tenant_id and not m.own and m.use = 'makes' and m.table_name = n.table_name and m.row_key = n.row_key
    where n.tenant_id = $1 and n.use = 'needs'`,
    [tenant, ids.map(({ origin }) => origin), ids.map(({ seq }) => seq)],
  );
  return rows;
}

/**
 * Applies commits that wait for each other's rows and for nothing else, all together. Returns how many; 0 when some row that they
 * need is brought by none of them.
 */
export async function releaseCircle(tx: SqlSession, env: ReplicaEnvironment, tenant: string, start: HeldId): Promise<number> {
  const first = await readWaiting(tx, tenant, start);
  if (first === null) return 0;
  const circle: HeldCommit[] = [first];
  const made = new Set<string>();
  for (let index = 0; index < circle.length; index += 1) {
    const item = circle[index];
    if (item === undefined || circle.length > CIRCLE_MAX) return 0;
    const { makes, needs } = footprintOf(item.commit, env.plans);
    makes.forEach((name) => made.add(name));
    const here = await rowsHere(tx, env, tenant, needs);
    for (const name of needs) {
      if (here.has(name) || made.has(name)) continue;
      const maker = await makerOf(tx, tenant, name);
      if (maker === null) return 0;
      circle.push(maker);
      footprintOf(maker.commit, env.plans).makes.forEach((place) => made.add(place));
    }
  }
  return circle.length < 2 ? 0 : await releaseTogether(tx, env, circle);
}

/** The held commit that would bring a row, when it only waits too. */
async function makerOf(tx: SqlSession, tenant: string, name: string): Promise<HeldCommit | null> {
  const { table, key } = placeOf(name);
  const { rows } = await tx.query<HeldId>(
    `select q.origin, q.seq from hayloft.quarantine q join hayloft.quarantine_place p using (tenant_id, origin, seq)
    where q.tenant_id = $1 and q.state = 'held' and q.code in ('refused-parent', 'refused-waiting') and not p.own and p.use = 'makes'
      and p.table_name = $2 and p.row_key = $3 order by q.held_order limit 1`,
    [tenant, table, keptKey(key)],
  );
  const [row] = rows;
  return row === undefined ? null : await readWaiting(tx, tenant, row);
}
