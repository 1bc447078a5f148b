import type { Commit } from "../commit/commit.ts";
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
  commits: readonly Commit[],
): Promise<(commit: Commit) => Author | null> {
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
  return (commit) => {
    if (commit.node === peer) return commit.tier === grant.tier ? { tier: grant.tier, grants: [grant] } : null;
    if (!registered) return isBelow(env, commit.tier, grant.tier) ? { tier: commit.tier, grants: [grant] } : null;
    const node = nodes.get(commit.node);
    if (node === undefined || node.status !== "active" || node.tier !== commit.tier || !isBelow(env, node.tier, grant.tier))
      return null;
    return { tier: node.tier, grants: [grant, { ...grant, tier: node.tier, role: node.role, scopes: node.scopes }] };
  };
}

/** A relay speaks for tiers below its own, never for its equals. */
const isBelow = (env: ReplicaEnvironment, tier: string, above: string): boolean =>
  env.catalog.tiers.indexOf(tier) > env.catalog.tiers.indexOf(above);
