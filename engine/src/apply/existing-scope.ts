import type { Commit } from "../commit/commit.ts";
import { restrictedScopes } from "../log/filter-commit.ts";
import { rowKeys } from "../merge/row-change.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { itemsByTable } from "./batch.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "./table-sql.ts";

/**
 * The commits that touch a row which exists here outside of the grant: a guessed key, or a row that has moved away. Plain
 * inserts of append-only tables never change what exists and are left to the conflict clause.
 */
export async function refusedByExistingScope(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  grant: Grant,
  commits: readonly Commit[],
): Promise<ReadonlySet<Commit>> {
  const refused = new Set<Commit>();
  for (const [name, items] of itemsByTable(commits)) {
    const plan = env.plans.get(name);
    const scopes = plan === undefined ? [] : restrictedScopes(plan, grant);
    if (plan === undefined || scopes.length === 0) continue;
    const touching = items.filter(
      ({ change }) => change.op !== "evict" && !(change.op === "insert" && plan.table.rule.kind === "appendOnly"),
    );
    const keys = [...new Set(touching.flatMap(({ change }) => rowKeys(change, plan)))];
    if (keys.length === 0) continue;
    const columns = [...new Set([...plan.keyColumns, ...scopes.map(({ column }) => column)])];
    const { rows } = await tx.query<TextRow>(selectByKeySql(plan, columns, false), keyVectors(plan, tenant, keys));
    const outside = new Set(
      rows
        .filter((row) => scopes.some(({ column, ids }) => row[column] != null && !ids.has(row[column])))
        .map((row) => rowKeyOf(plan, row)),
    );
    if (outside.size === 0) continue;
    for (const { commit, change } of touching) if (rowKeys(change, plan).some((key) => outside.has(key))) refused.add(commit);
  }
  return refused;
}
