import { liftStored } from "../apply/lift-commits.ts";
import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Change } from "../commit/commit.ts";
import { KEY_SEPARATOR, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";
import { changeOfRow, type ChangeRow } from "./commit-row.ts";

/** Changes that are in memory at a time: one has up to a slice of rows. */
const CHANGES_AT_ONCE = 200;

/** With more keys, looking for each in every change costs more than reading all changes. */
export const MENTIONED_MAX = 64;

/** A change of the log as the present catalog has it. */
export const liftRow = (env: ReplicaEnvironment, row: ChangeRow & { readonly catalog_version: number }): readonly Change[] =>
  liftStored(env.lens, row.catalog_version, [changeOfRow(row)]);

/** SQL that is false for a commit that was refused above: it is in the log, but what it wrote does not stand. */
export const takenSql = (commit: string): string => `not exists (select from hayloft.outcome o
  where o.tenant_id = ${commit}.tenant_id and o.origin = ${commit}.origin and o.seq = ${commit}.seq and o.outcome = 'refused')`;

/** SQL that is true for a change whose body has one of the texts of `keyTexts`. */
export const mentionsSql = (change: string, texts: string): string =>
  `exists (select from unnest(${texts}::text[]) as m (part) where strpos(${change}.body, m.part) > 0)`;

/** What the body of a change has somewhere when it touches one of the rows: the first part of the key, as JSON. No lens changes a key. */
export const keyTexts = (keys: readonly string[]): readonly string[] => [
  ...new Set(keys.map((key) => JSON.stringify(key.split(KEY_SEPARATOR)[0] ?? ""))),
];

/** A change of one table, and the position of its commit. */
export interface LoggedChange {
  readonly change: Change;
  readonly position: number;
}

/** Which changes of a table are walked. */
export interface ChangeFilter {
  /** A condition on `c` (`hayloft.commit`) and `ch` (`hayloft.change`), whose parameters begin at `$5`. */
  readonly where: string;
  readonly parameters: readonly SqlParameter[];
  /** Changes that touch none of these rows may be left out. */
  readonly keys?: readonly string[];
}

/**
 * The changes of a table's rows in a tenant's log, evictions left out, in the order of the log and as the present catalog has them. Reads
 * them a few at a time, whatever the log's length. Where few keys are asked for, the database looks through the bodies, a hundred times as
 * many as somebody could read; when many turn out to have one of the keys, they are read all the same.
 */
export async function* walkChanges(
  session: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  plan: RowPlan,
  { where, parameters, keys }: ChangeFilter,
): AsyncGenerator<LoggedChange> {
  const names = env.lens.namesOf(plan.table.name);
  let texts = keys === undefined || keys.length > MENTIONED_MAX || plan.keyColumns.length === 0 ? null : keyTexts(keys);
  // Scanning all bodies in the order of the disk is seven times as fast as fetching those of the commits one by one.
  const mentioned = `with mentioned as materialized (select * from hayloft.change as ch
    where ch.tenant_id = $1 and ch.table_name = any($2::text[]) and ${mentionsSql("ch", `$${String(5 + parameters.length)}`)})
  `;
  let [position, ordinal] = [0, -1];
  for (;;) {
    const { rows } = await session.query<ChangeRow & { catalog_version: number; position: number; ordinal: number }>(
      `${texts === null ? "" : mentioned}select ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body, c.catalog_version, c.position, ch.ordinal
      from hayloft.commit c join ${texts === null ? "hayloft.change" : "mentioned"} ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
      where c.tenant_id = $1 and ch.table_name = any($2::text[]) and (c.position, ch.ordinal) > ($3::bigint, $4::integer)
        and c.position >= $3::bigint and ch.op <> 'evict' and ${where}
      order by c.position, ch.ordinal limit ${String(CHANGES_AT_ONCE)}`,
      [tenant, names, position, ordinal, ...parameters, ...(texts === null ? [] : [texts])],
    );
    for (const row of rows)
      for (const change of liftRow(env, row)) if (change.table === plan.table.name) yield { change, position: row.position };
    const last = rows.at(-1);
    if (last === undefined || rows.length < CHANGES_AT_ONCE) return;
    [position, ordinal] = [last.position, last.ordinal];
    texts = null;
  }
}

/** The keys of the rows that the changes touch, each with the position of the last one. */
export async function touchedRows(changes: AsyncIterable<LoggedChange>, plan: RowPlan): Promise<ReadonlyMap<string, number>> {
  const touched = new Map<string, number>();
  for await (const { change, position } of changes) for (const key of rowKeys(change, plan)) touched.set(key, position);
  return touched;
}
