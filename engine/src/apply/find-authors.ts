import type { Commit } from "../commit/commit.ts";
import { nodeOfPeer } from "../incarnation/peer-of-copy.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import type { Author } from "./check-authority.ts";

/** The replicated registry of nodes; see `nodeTable`. */
const REGISTRY = "replica_node";

interface NodeRow {
  readonly id: string;
  readonly tier: string;
  readonly role: string;
  readonly scopes: Grant["scopes"];
  readonly status: string;
}

export interface Authors {
  /** Null when nobody can say who wrote the commit, or the peer may not speak for its author. */
  readonly authorOf: (commit: Commit) => Author | null;
  /** What this hangs on, as text: when it is another one later, the commit is to be judged again. */
  readonly markOf: (commit: Pick<Commit, "node">) => string;
}

/**
 * Who wrote the commits of a child's stream. The peer's own tier is what its grant says, never what the commit says. For
 * commits that the peer relays the registry knows the author; without an entry there (or after a revocation) nobody does.
 * A catalog without registry takes the relay's word.
 */
export async function findAuthors(
  tx: SqlSession,
  env: ReplicaEnvironment,
  peer: string,
  grant: Grant,
  commits: readonly Pick<Commit, "node">[],
): Promise<Authors> {
  const relayed = [...new Set(commits.map((commit) => commit.node))].filter((node) => node !== peer);
  const registered = env.catalog.byName.has(REGISTRY);
  const nodes = new Map<string, NodeRow>();
  if (relayed.length > 0 && registered) {
    const { rows } = await tx.query<NodeRow>(
      `select id, tier, role, scopes, status from ${sqlName(REGISTRY)} where tenant_id = $1 and id = any($2::uuid[])`,
      [grant.tenant, relayed],
    );
    rows.forEach((row) => nodes.set(row.id, row));
  }
  const mark = ({ tier, role, scopes }: Pick<Grant, "tier" | "role" | "scopes">, status = "active"): string =>
    JSON.stringify([tier, role, scopes, status]);
  const markOf = (commit: Pick<Commit, "node">): string => {
    const row = nodes.get(commit.node);
    return `${env.catalogMark} ${mark(grant)} ${row === undefined ? "" : mark(row, row.status)}`;
  };
  const authorOf = (commit: Commit): Author | null => {
    if (commit.node === peer) return commit.tier === grant.tier ? { tier: grant.tier, grants: [grant] } : null;
    if (!registered) return isBelow(env, commit.tier, grant.tier) ? { tier: commit.tier, grants: [grant] } : null;
    const node = nodes.get(commit.node);
    if (node === undefined || node.status !== "active" || node.tier !== commit.tier || !isBelow(env, node.tier, grant.tier))
      return null;
    return { tier: node.tier, grants: [grant, { ...grant, tier: node.tier, role: node.role, scopes: node.scopes }] };
  };
  return { authorOf, markOf };
}

/** The grant of a peer's node as the registry has it now; null when it is unknown or revoked, or the catalog has no registry. */
export async function grantOf(tx: SqlSession, env: ReplicaEnvironment, tenant: string, peer: string): Promise<Grant | null> {
  if (!env.catalog.byName.has(REGISTRY)) return null;
  const { rows } = await tx.query<NodeRow>(
    `select id, tier, role, scopes, status from ${sqlName(REGISTRY)} where tenant_id = $1 and id = $2::uuid and status = 'active'`,
    [tenant, await nodeOfPeer(tx, tenant, peer)],
  );
  const [row] = rows;
  return row === undefined ? null : { tenant, tier: row.tier, role: row.role, scopes: row.scopes };
}

/** A relay speaks for tiers below its own, never for its equals. */
const isBelow = (env: ReplicaEnvironment, tier: string, above: string): boolean =>
  env.catalog.tiers.indexOf(tier) > env.catalog.tiers.indexOf(above);
