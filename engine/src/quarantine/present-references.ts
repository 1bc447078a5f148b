import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { isKeyText } from "../apply/key-text.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { columnOf, KEY_SEPARATOR, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import type { HeldCommit } from "./held-commit.ts";

interface Wanted {
  readonly plan: RowPlan;
  readonly key: string;
}

/** Of held commits those whose references all lead to rows that are there, so that it is worth trying them. */
export async function withReferences(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  held: readonly HeldCommit[],
): Promise<ReadonlySet<HeldCommit>> {
  const wanted = new Map(held.map((item) => [item, wantedBy(env, item.commit)]));
  const keys = new Map<RowPlan, Set<string>>();
  for (const { plan, key } of [...wanted.values()].flat()) keys.set(plan, (keys.get(plan) ?? new Set()).add(key));
  const there = new Map<RowPlan, ReadonlySet<string>>();
  for (const [plan, listed] of keys) {
    const vectors = keyVectors(plan, tenant, [...listed]);
    const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.table.primaryKey, false), vectors);
    there.set(plan, new Set(rows.map((row) => rowKeyOf(plan, row))));
  }
  return new Set(held.filter((item) => wanted.get(item)?.every(({ plan, key }) => there.get(plan)?.has(key)) === true));
}

/** The rows that a commit refers to and does not bring itself. */
function wantedBy(env: ReplicaEnvironment, commit: Commit): readonly Wanted[] {
  const brought = new Set(
    commit.changes.flatMap((change) => {
      const plan = env.plans.get(change.table);
      return plan === undefined || change.op === "delete" ? [] : rowKeys(change, plan).map((key) => `${change.table} ${key}`);
    }),
  );
  return commit.changes
    .flatMap((change) => (change.op === "insert" || change.op === "update" ? referencesOf(env, change) : []))
    .filter(({ plan, key }) => !brought.has(`${plan.table.name} ${key}`));
}

function referencesOf(env: ReplicaEnvironment, change: Change): readonly Wanted[] {
  return (env.plans.get(change.table)?.table.references ?? []).flatMap((reference) => {
    const plan = env.plans.get(reference.table);
    if (plan === undefined) return [];
    const places = plan.table.primaryKey.map((name, place) => ({
      name,
      type: plan.table.columns[name]?.type,
      vector: columnOf(change, reference.columns[place] ?? ""),
    }));
    return Array.from({ length: change.rowCount }, (_, row) => row).flatMap((row) => {
      const values = places.map(({ name, type, vector }) => ({ name, type, value: vector?.[row] ?? null }));
      // What is no key at all is for the database to refuse.
      const sound = values.every(({ type, value }) => type !== undefined && isKeyText(type, value));
      if (!sound) return [];
      const key = values.filter(({ name }) => name !== plan.tenantColumn).map(({ value }) => value ?? "");
      return [{ plan, key: key.join(KEY_SEPARATOR) }];
    });
  });
}
