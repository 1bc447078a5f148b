import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { CellText } from "../commit/commit.ts";
import type { ChangeRow } from "../log/commit-row.ts";
import { keyTexts, liftRow, MENTIONED_MAX, mentionsSql, takenSql } from "../log/walk-changes.ts";
import { CHANGED_COLUMN, columnOf, rowKeys, rowValues } from "../merge/row-change.ts";
import type { Stamp } from "../merge/register.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";

interface LoggedChange extends ChangeRow {
  readonly catalog_version: number;
  readonly stamp: string;
  readonly node_id: string;
}

const columns = `ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body, c.catalog_version, c.stamp::text as stamp, c.node_id`;

/** What our log says last of rows of a table without stamps: their values, or null for a row that was deleted. Rows that it does not know are left out. */
export async function lastLogged(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, CellText> | null>> {
  const found = new Map<string, ReadonlyMap<string, CellText> | null>();
  for (let from = 0; from < keys.length; from += MENTIONED_MAX) {
    const wanted = new Set(keys.slice(from, from + MENTIONED_MAX));
    const { rows } = await tx.query<LoggedChange>(
      `select ${columns} from hayloft.change ch join hayloft.commit c on c.tenant_id = ch.tenant_id and c.txn = ch.txn
      where ch.tenant_id = $1 and ch.table_name = any($2::text[]) and ch.op <> 'evict' and ${takenSql("c")}
        and ($4::boolean or ${mentionsSql("ch", "$3")})
      order by c.position desc, ch.ordinal desc`,
      [tenant, env.lens.namesOf(plan.table.name), keyTexts([...wanted]), plan.keyColumns.length === 0],
    );
    for (const change of rows.flatMap((row) => liftRow(env, row).toReversed())) {
      if (change.table !== plan.table.name) continue;
      for (const [row, key] of [...rowKeys(change, plan).entries()].toReversed()) {
        if (!wanted.has(key) || found.has(key)) continue;
        found.set(key, change.op === "delete" ? null : rowValues(change, row));
      }
    }
  }
  return found;
}

export const writeOf = (key: string, column: string, { stamp, node }: Stamp): string =>
  JSON.stringify([key, column, stamp.toString(), node]);

/** What the commits with these stamps wrote to rows of a table, as far as our log has them: values by `writeOf`. */
export async function loggedWrites(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tenant: string,
  written: readonly Stamp[],
): Promise<ReadonlyMap<string, CellText>> {
  const values = new Map<string, CellText>();
  if (written.length === 0) return values;
  const { rows } = await tx.query<LoggedChange>(
    `select ${columns} from (select distinct * from unnest($3::bigint[], $4::uuid[]) as w (stamp, node_id)) as w
    join hayloft.commit c on c.tenant_id = $1 and c.stamp = w.stamp and c.node_id = w.node_id
    join hayloft.change ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
    where ch.table_name = any($2::text[]) and ch.op in ('insert', 'update') and ${takenSql("c")}
    order by c.position, ch.ordinal`,
    [tenant, env.lens.namesOf(plan.table.name), written.map(({ stamp }) => stamp), written.map(({ node }) => node)],
  );
  for (const row of rows) {
    const stamp = { stamp: BigInt(row.stamp), node: row.node_id };
    for (const change of liftRow(env, row)) {
      if (change.table !== plan.table.name) continue;
      const changed = columnOf(change, CHANGED_COLUMN);
      for (const [place, key] of rowKeys(change, plan).entries()) {
        const names = changed?.[place] == null ? null : new Set((changed[place] ?? "").split(","));
        for (const [column, value] of rowValues(change, place)) {
          if (names?.has(column) === false && plan.group?.columns.has(column) !== true) continue;
          values.set(writeOf(key, column, stamp), value);
        }
      }
    }
  }
  return values;
}
