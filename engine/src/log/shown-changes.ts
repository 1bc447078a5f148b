import { type ReplicaEnvironment, setTextForm } from "../apply/apply-environment.ts";
import { liftStored } from "../apply/lift-commits.ts";
import { readTruth } from "../apply/read-truth.ts";
import type { Change } from "../commit/commit.ts";
import { asReplacement, hasReplacement, rowKeys } from "../merge/row-change.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { visibleChanges } from "./filter-commit.ts";

/** The child that a part of the log is read for. */
export interface Reader {
  readonly tenant: string;
  readonly grant: Grant;
  /** False for the shared tenant, whose rows every grant may read. */
  readonly scoped: boolean;
  /** The child's version of the catalog. */
  readonly version: number;
}

/**
 * What of a logged commit a child may see, in the present version of the catalog. Of tables for which its version has another
 * rule it gets the rows as they are here now, which take the place of its own: it would merge the change to something else.
 */
export async function shownChanges(
  tx: SqlSession,
  env: ReplicaEnvironment,
  logged: { readonly version: number; readonly changes: readonly Change[] },
  reader: Reader,
): Promise<readonly Change[]> {
  const { tenant, grant, scoped, version } = reader;
  const lifted = liftStored(env.lens, logged.version, logged.changes);
  const decided = (change: Change): boolean => hasReplacement(change) || env.lens.ruleDiffers(version, change.table);
  const shown = [
    ...visibleChanges(
      lifted.filter((change) => !decided(change)),
      env.plans,
      grant,
      scoped,
    ),
  ];
  const keys = new Map<string, Set<string>>();
  for (const change of lifted.filter(decided)) {
    const plan = env.plans.get(change.table);
    if (plan === undefined) continue;
    const listed = keys.get(change.table) ?? new Set<string>();
    keys.set(change.table, listed);
    for (const key of rowKeys(change, plan)) listed.add(key);
  }
  if (keys.size > 0) await setTextForm(tx);
  for (const [table, listed] of keys) {
    const plan = env.plans.get(table);
    if (plan === undefined) continue;
    const rows = await readTruth(tx, plan, tenant, [...listed], scoped ? grant : { ...grant, scopes: {} });
    shown.push(...rows.map(asReplacement));
  }
  return shown;
}
