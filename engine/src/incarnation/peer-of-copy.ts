import { derivedId } from "../catalog/derived-id.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Database, SqlSession } from "../store/database.ts";

/** Copies of one node that may be known at a time; each costs a row and holds back the log while it is heard of. */
const COPIES_MAX = 64;

/**
 * The name under which a copy of a node is known: made of both, so that nobody can name another node's copy.
 */
export const copyName = (node: string, copy: string): string => derivedId("hayloft.copy", [node, copy]);

/**
 * What tells this database from others that were copied from the same one; null while no copy is known.
 */
export async function copyId(session: SqlSession): Promise<string | null> {
  const { rows } = await session.query<{ copy_id: string | null }>("select copy_id from hayloft.replica");
  return rows[0]?.copy_id ?? null;
}

/** The name of a child that is a copy of a node; it is known from now on. Throws `limit-reached` above 64 copies of one node. */
export async function peerOfCopy(database: Database, tenant: string, node: string, copy: string): Promise<string> {
  const name = copyName(node, copy);
  return await database.transaction(async (tx) => {
    const { rows } = await tx.query<{ known: boolean; copies: number }>(
      `select coalesce(bool_or(node_id = $3::uuid), false) as known, count(*)::int as copies from hayloft.peer where tenant_id = $1 and of_node = $2::uuid`,
      [tenant, node, name],
    );
    const [found] = rows;
    if (found?.known === true) return name;
    if ((found?.copies ?? 0) >= COPIES_MAX) throw new HayloftError("limit-reached", { limit: "copiesOfNode", max: COPIES_MAX });
    await tx.query(
      `insert into hayloft.peer (node_id, tenant_id, relation, of_node) values ($1::uuid, $2, 'child', $3::uuid) on conflict do nothing`,
      [name, tenant, node],
    );
    return name;
  });
}

/** The node of a child, which is known under another name when it is a copy. */
export async function nodeOfPeer(session: SqlSession, tenant: string, peer: string): Promise<string> {
  const { rows } = await session.query<{ of_node: string | null }>(
    `select of_node from hayloft.peer where tenant_id = $1 and node_id = $2::uuid`,
    [tenant, peer],
  );
  return rows[0]?.of_node ?? peer;
}
