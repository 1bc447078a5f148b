import type { Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { refusedActions } from "../quarantine/action-rows.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { type Author, marksInsert, refusalOfCommit, refusalOfShape } from "./check-authority.ts";
import { refusedByExistingScope } from "./existing-scope.ts";
import { findAuthors } from "./find-authors.ts";
import type { LiftedCommits } from "./lift-commits.ts";

export interface Judgement {
  readonly refused: ReadonlyMap<Commit, ErrorCode>;
  /** Those of the refused that the peer passed on for a node for which it may not speak. */
  readonly unverified: ReadonlySet<Commit>;
  /** What the judgement of a commit hangs on; when it is another one later, the commit is judged again. */
  readonly markOf: (commit: Pick<Commit, "node">) => string;
}

export interface JudgedSource {
  readonly peer: string;
  /** The peer's node, where it is known under another name; default `peer`. */
  readonly node?: string;
  readonly from: "child" | "parent";
  readonly grant: Grant | null;
  readonly tenant: string;
}

/** What is refused before anything is written: all checks for a child, for the parent only what we have no table for. */
export async function judgeCommits(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { peer: name, node: peer = name, from, grant, tenant }: JudgedSource,
  { commits: fresh, unreadable, originalOf }: LiftedCommits,
): Promise<Judgement> {
  const refused = new Map<Commit, ErrorCode>();
  const unverified = new Set<Commit>();
  if (from === "parent" || grant === null) {
    for (const commit of fresh) {
      const shapeless = commit.changes.some((change) => refusalOfShape(change, env.plans.get(change.table), true) !== null);
      if (unreadable.has(commit) || shapeless) refused.set(commit, "refused-schema");
    }
    return { refused, unverified, markOf: () => env.catalogMark };
  }
  const { authorOf, markOf } = await findAuthors(tx, env, peer, grant, fresh);
  for (const commit of fresh) {
    const author = authorOf(commit);
    const legible = !unreadable.has(commit) && !originalOf(commit).changes.some(marksInsert);
    const judgement = (by: Author): ErrorCode | null => (legible ? refusalOfCommit(commit, by, env.plans) : "refused-schema");
    const refusal = author === null ? "refused-writer" : judgement(author);
    if (refusal !== null) refused.set(commit, refusal);
    if (author === null && commit.node !== peer) unverified.add(commit);
  }
  const left = (): readonly Commit[] => fresh.filter((commit) => !refused.has(commit));
  for (const commit of await refusedByExistingScope(tx, env, tenant, grant, left())) refused.set(commit, "refused-scope");
  for (const commit of await refusedActions(tx, tenant, left())) refused.set(commit, "refused-writer");
  return { refused, unverified, markOf };
}
