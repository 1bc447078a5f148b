import type { HeldCommit, SqlSession } from "@hayloft/engine";
import { listQuarantine as listHeld, readHeld } from "@hayloft/engine";

type Shown = Readonly<Record<string, unknown>>;

/** Refused commits of the tenant without what they would have changed. */
export async function listQuarantine(session: SqlSession, tenant: string, limit: number): Promise<readonly Shown[]> {
  return (await listHeld(session, tenant, { limit })).map(shownHeld);
}

/** One refused commit with its changes, for a person to judge; null when it is not there. */
export async function showQuarantined(session: SqlSession, tenant: string, origin: string, seq: number): Promise<Shown | null> {
  const held = await readHeld(session, tenant, origin, seq);
  return held === null ? null : { ...shownHeld(held), changes: held.commit.changes };
}

function shownHeld({ commit, code, retryable, heldAt, peer }: HeldCommit): Shown {
  const { tenant, origin, seq, node, tier, author } = commit;
  return {
    held_at: heldAt,
    code,
    retryable,
    tenant,
    origin,
    seq,
    node,
    tier,
    author,
    peer,
    tables: [...new Set(commit.changes.map((change) => change.table))],
  };
}
