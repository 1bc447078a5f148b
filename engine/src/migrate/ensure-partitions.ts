import type { Catalog } from "../catalog/catalog.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import type { Table } from "../catalog/table.ts";
import { notApplying } from "../sql/capture-ddl.ts";
import { defaultPartition } from "../sql/catalog-ddl.ts";
import { objectName, sqlName, sqlText } from "../sql/sql-name.ts";
import { refusalStates } from "../sql/sqlstate.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * Makes the monthly partitions of every partitioned table for all months (UTC) from `fromMs` to `toMs`, both milliseconds
 * since 1970 and both included. Rows of such a month that wait in the default partition move to their own. Idempotent; call it in a
 * transaction, so that no reader misses rows that are moving. Returns the names of the partitions that were made.
 */
export async function ensurePartitions(
  session: SqlSession,
  catalog: Catalog,
  fromMs: number,
  toMs: number,
): Promise<readonly string[]> {
  const made: string[] = [];
  const months = monthsBetween(fromMs, toMs);
  for (const { table, partitions } of await partitioned(session, catalog)) {
    const lacking = monthsLacking(table, partitions, months);
    for (const { name, month } of lacking) await makePartition(session, table, table.partition?.by ?? "", name, month);
    made.push(...lacking.map(({ name }) => name));
    const unguarded = lacking.length > 0 || partitions.some(({ guarded }) => !guarded);
    if (unguarded && isReplicated(table)) await guardPartitions(session, table);
  }
  return made;
}

/** True when `ensurePartitions` would change nothing. One statement, no transaction. */
export async function hasPartitions(session: SqlSession, catalog: Catalog, fromMs: number, toMs: number): Promise<boolean> {
  const months = monthsBetween(fromMs, toMs);
  return (await partitioned(session, catalog)).every(
    ({ table, partitions }) =>
      monthsLacking(table, partitions, months).length === 0 &&
      (!isReplicated(table) || partitions.every(({ guarded }) => guarded)),
  );
}

function monthsLacking(
  table: Table,
  partitions: readonly Partition[],
  months: readonly Month[],
): readonly { readonly name: string; readonly month: Month }[] {
  const present = new Set(partitions.map(({ name }) => name));
  return months.flatMap((month) => {
    const name = monthPartition(table, month.fromDay);
    return present.has(name) ? [] : [{ name, month }];
  });
}

/** The name of a table's partition for the month that starts on `fromDay` (`YYYY-MM-DD`). */
export const monthPartition = (table: Table, fromDay: string): string =>
  objectName(table.name, `p${fromDay.slice(0, 4)}_${fromDay.slice(5, 7)}`);

interface Month {
  readonly fromDay: string;
  readonly toDay: string;
}

/** The calendar months (UTC) that touch the span. */
export function monthsBetween(fromMs: number, toMs: number): readonly Month[] {
  const months: Month[] = [];
  const start = new Date(fromMs);
  for (let index = 0; ; index += 1) {
    const from = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + index, 1);
    if (from > toMs) return months;
    const to = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + index + 1, 1);
    months.push({ fromDay: new Date(from).toISOString().slice(0, 10), toDay: new Date(to).toISOString().slice(0, 10) });
  }
}

interface Partition {
  readonly table: string;
  readonly name: string;
  readonly guarded: boolean;
}

/** The catalog's partitioned tables with the partitions that they have. */
async function partitioned(
  session: SqlSession,
  catalog: Catalog,
): Promise<readonly { readonly table: Table; readonly partitions: readonly Partition[] }[]> {
  const tables = catalog.tables.filter((table) => table.partition !== null);
  if (tables.length === 0) return [];
  const found = await partitionsOf(session, tables);
  return tables.map((table) => ({ table, partitions: found.filter((partition) => partition.table === table.name) }));
}

async function partitionsOf(session: SqlSession, tables: readonly Table[]): Promise<readonly Partition[]> {
  const names = tables.map(({ name }) => name);
  const found = await session.query<Partition>(
    `select parent.name as table, c.relname::text as name,
       exists (select 1 from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'hayloft_leaf') as guarded
     from unnest($1::text[], $2::text[]) as parent (name, quoted)
     join pg_inherits i on i.inhparent = to_regclass(parent.quoted) join pg_class c on c.oid = i.inhrelid order by c.relname`,
    [names, names.map(sqlName)],
  );
  return found.rows;
}

async function makePartition(session: SqlSession, table: Table, by: string, name: string, month: Month): Promise<void> {
  const isDate = table.columns[by]?.type.kind === "date";
  const bound = (day: string): string => sqlText(isDate ? day : `${day} 00:00:00+00`);
  const range = `FOR VALUES FROM (${bound(month.fromDay)}) TO (${bound(month.toDay)})`;
  const held = `${sqlName(by)} >= ${bound(month.fromDay)} AND ${sqlName(by)} < ${bound(month.toDay)}`;
  const waiting = await session.query(`select 1 from ${sqlName(defaultPartition(table))} where ${held} limit 1`);
  if (waiting.rows.length === 0) {
    await session.script(`CREATE TABLE IF NOT EXISTS ${sqlName(name)} PARTITION OF ${sqlName(table.name)} ${range};`);
    return;
  }
  await session.script(moveDdl(table, name, range, held));
}

/**
 * Capture stays off: to every reader the rows have not changed. Foreign keys to the table are made again afterwards, because
 * Postgres checks them against the partition that a row leaves, and not against the one it goes to.
 */
function moveDdl(table: Table, name: string, range: string, held: string): string {
  const rest = sqlName(defaultPartition(table));
  return `DO $do$
DECLARE
  _applying text := coalesce(current_setting('hayloft.applying', true), '');
  _references text[];
  _statement text;
BEGIN
  PERFORM set_config('hayloft.applying', 'on', true);
  SELECT array_agg(format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))) INTO _references
    FROM pg_constraint WHERE confrelid = ${sqlText(sqlName(table.name))}::regclass AND contype = 'f' AND conparentid = 0;
  FOR _statement IN SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint WHERE confrelid = ${sqlText(sqlName(table.name))}::regclass AND contype = 'f' AND conparentid = 0
  LOOP
    EXECUTE _statement;
  END LOOP;
  CREATE TABLE ${sqlName(name)} (LIKE ${sqlName(table.name)} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
  WITH moved AS (DELETE FROM ${rest} WHERE ${held} RETURNING *) INSERT INTO ${sqlName(name)} SELECT * FROM moved;
  ALTER TABLE ${sqlName(table.name)} ATTACH PARTITION ${sqlName(name)} ${range};
  FOREACH _statement IN ARRAY coalesce(_references, '{}') LOOP
    EXECUTE _statement;
  END LOOP;
  PERFORM set_config('hayloft.applying', _applying, true);
END
$do$;`;
}

/**
 * Refuses writes aimed at a partition of a captured table: the triggers of the table do not fire for them, so they would
 * leave no change.
 */
export async function guardPartitions(session: SqlSession, table: Table): Promise<void> {
  const values = [
    refusalStates.leaf,
    `A write aimed at a partition of ${table.name} is refused, because it would not be captured.`,
    `Write to ${table.name} instead.`,
    table.name,
  ];
  for (const partition of await partitionsOf(session, [table])) {
    if (partition.guarded) continue;
    const leaf = sqlName(partition.name);
    await session.script(`CREATE TRIGGER hayloft_leaf BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${leaf} FOR EACH STATEMENT
  ${notApplying} EXECUTE FUNCTION hayloft.refuse(${values.map(sqlText).join(", ")});
ALTER TABLE ${leaf} ENABLE ALWAYS TRIGGER hayloft_leaf;`);
  }
}
