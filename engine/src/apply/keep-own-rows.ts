import { acknowledgedPosition, unacknowledgedKeys } from "../log/unacknowledged.ts";
import type { Commit } from "../commit/commit.ts";
import { hasReplacement, joiningWhere } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import type { LiftedCommits } from "./lift-commits.ts";

/** Rows of a parent that replace what is here are joined with it where commits of ours changed them that the parent has not judged. */
export async function keepOwnRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { peer, tenant, from }: { readonly peer: string; readonly tenant: string; readonly from: "child" | "parent" },
  lifted: LiftedCommits,
): Promise<LiftedCommits> {
  const replacing = lifted.commits.flatMap(({ changes }) => changes.filter(hasReplacement));
  if (from === "child" || replacing.length === 0) return lifted;
  const position = await acknowledgedPosition(tx, tenant, peer);
  const own = new Map<string, ReadonlySet<string>>();
  for (const table of new Set(replacing.map((change) => change.table))) {
    const plan = env.plans.get(table);
    if (plan !== undefined) own.set(table, await unacknowledgedKeys(tx, env, { tenant, peer, position }, plan));
  }
  const sealed = new Map<Commit, Commit>();
  const commits = lifted.commits.map((commit) => {
    if (!commit.changes.some(hasReplacement)) return commit;
    const joining = commit.changes.map((change) => {
      const plan = env.plans.get(change.table);
      return plan === undefined ? change : joiningWhere(change, plan, own.get(change.table) ?? new Set());
    });
    const kept = { ...commit, changes: joining };
    sealed.set(kept, lifted.originalOf(commit));
    return kept;
  });
  return { ...lifted, commits, originalOf: (commit) => sealed.get(commit) ?? lifted.originalOf(commit) };
}
