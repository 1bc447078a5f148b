import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { CellText } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { eventId } from "../journal/loss-id.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { Stamp } from "../merge/register.ts";
import type { SqlSession } from "../store/database.ts";

/** A value that was found to be no one's write, and what stands in its place. */
export interface RepairedValue {
  readonly table: string;
  readonly key: readonly string[];
  /** `$row`: a whole row, its values as JSON. `$deleted`: the row was missing. */
  readonly column: string;
  readonly lost: CellText;
  readonly stands: CellText;
  /** The write that stands; null when nothing says which it was. */
  readonly written: Stamp | null;
}

/**
 * Puts values that were repaired into the loss journal, with the rule `repair`. Each repair is an entry of its own, on the replica that was
 * damaged alone: the value is nobody's write, so its entry is not named by one.
 */
export async function noteRepairs(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  values: readonly RepairedValue[],
): Promise<void> {
  if (values.length === 0) return;
  const known = values.map(({ written }) => (written === null || written.stamp === 0n ? null : written));
  await tx.query(
    `insert into hayloft.loss (tenant_id, id, table_name, row_key, column_name, rule, lost, loser_value,
      winner_value, winner_stamp, winner_node, winner_tier, winner_author, winner_origin, winner_seq)
    select $1, l.id, l.table_name, l.row_key, l.column_name, 'repair', 'existing', l.lost, l.stands, l.stamp, l.node, w.tier, w.author, w.origin, w.seq
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::uuid[])
      as l (id, table_name, row_key, column_name, lost, stands, stamp, node)
    left join lateral (select c.tier, c.author, c.origin, c.seq from hayloft.commit c
      where c.tenant_id = $1 and c.stamp = l.stamp and c.node_id = l.node limit 1) w on true
    on conflict (tenant_id, id) do nothing`,
    [
      tenant,
      values.map(({ table, key, column }) => eventId(env.sha256, tenant, "repair", [table, ...key, column, newId()])),
      values.map(({ table }) => table),
      values.map(({ key }) => key.join(KEY_SEPARATOR)),
      values.map(({ column }) => column),
      values.map(({ lost }) => lost),
      values.map(({ stands }) => stands),
      known.map((written) => written?.stamp ?? null),
      known.map((written) => written?.node ?? null),
    ],
  );
}
