import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Stamp } from "../merge/register.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";
import { lossId } from "./loss-id.ts";

export interface RenamedStamp {
  readonly from: Stamp;
  readonly to: bigint;
}

interface NamedRow {
  readonly id: string;
  readonly table_name: string;
  readonly row_key: string;
  readonly column_name: string;
  readonly loser_stamp: string;
  readonly loser_node: string;
}

/** Follows commits that got another stamp: entries about what they wrote have the names that other replicas give them. */
export async function renameLosses(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  renamed: readonly RenamedStamp[],
): Promise<void> {
  const vectors = [
    tenant,
    renamed.map(({ from }) => from.stamp),
    renamed.map(({ from }) => from.node),
    renamed.map(({ to }) => to),
  ];
  const { rows } = await tx.query<NamedRow & { readonly stamp: string }>(
    `select l.id, l.table_name, l.row_key, l.column_name, l.loser_node, r.stamp::text as stamp
    from hayloft.loss l join unnest($2::bigint[], $3::uuid[], $4::bigint[]) as r (old, node, stamp)
      on l.loser_stamp = r.old and l.loser_node = r.node where l.tenant_id = $1`,
    vectors,
  );
  if (rows.length > 0) {
    const ids = rows.map((row) =>
      lossId(env.sha256, tenant, {
        table: row.table_name,
        key: row.row_key.split(KEY_SEPARATOR),
        column: row.column_name,
        written: { stamp: BigInt(row.stamp), node: row.loser_node },
      }),
    );
    await tx.query(
      `update hayloft.loss l set id = n.id, loser_stamp = n.stamp
      from unnest($2::uuid[], $3::uuid[], $4::bigint[]) as n (old, id, stamp) where l.tenant_id = $1 and l.id = n.old`,
      [tenant, rows.map((row) => row.id), ids, rows.map((row) => row.stamp)],
    );
  }
  await tx.query(
    `update hayloft.loss l set winner_stamp = r.stamp from unnest($2::bigint[], $3::uuid[], $4::bigint[]) as r (old, node, stamp)
    where l.tenant_id = $1 and l.winner_stamp = r.old and l.winner_node = r.node`,
    vectors,
  );
}
