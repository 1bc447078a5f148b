import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { correction } from "../apply/apply-truth.ts";
import { touchedKeys } from "../apply/commit-keys.ts";
import { readTruth } from "../apply/read-truth.ts";
import type { Change } from "../commit/commit.ts";
import { takingBack } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";
import type { CommitRow } from "./commit-row.ts";
import { keepForeign } from "./keep-foreign.ts";
import { readPlacedChanges } from "./rename-changes.ts";
import { liftRow } from "./walk-changes.ts";

/**
 * Children may have what we wrote under the old stamps. Through the log they get the rows anew, commit by commit: what each wrote is
 * taken back and the row, with its new stamps, put in its place.
 */
export async function correctChildren(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { peer, tenant }: { readonly peer: string; readonly tenant: string },
  restamped: readonly { readonly row: CommitRow; readonly stamp: bigint }[],
): Promise<void> {
  const children = await tx.query(`select 1 from hayloft.peer where tenant_id = $1 and relation = 'child' limit 1`, [tenant]);
  if (children.rows.length === 0 || env.sentDown.size === 0) return;
  const placed = await readPlacedChanges(
    tx,
    tenant,
    restamped.map(({ row }) => row.txn),
  );
  for (const { row, stamp } of restamped) {
    const changes = placed
      .filter((item) => item.row.txn === row.txn)
      .flatMap((item) => liftRow(env, { ...item.row, catalog_version: row.catalog_version }));
    const truth: Change[] = [];
    for (const [plan, keys] of touchedKeys(changes, env.plans)) {
      if (plan.merges && env.sentDown.has(plan.table.name)) truth.push(...(await readTruth(tx, plan, tenant, [...keys], null)));
    }
    if (truth.length === 0) continue;
    const taken = truth.map((change) => takingBack(change, { stamp: BigInt(row.stamp), node: row.node_id }));
    await keepForeign(tx, env, { peer, from: "parent", tenant }, [correction(env, tenant, stamp, taken)]);
  }
}
