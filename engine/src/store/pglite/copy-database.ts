import { HayloftError } from "../../error/hayloft-error.ts";
import { sqlName, sqlNames, sqlText } from "../../sql/sql-name.ts";
import type { Database, SqlSession } from "../database.ts";

/** Rows that are read and written by one statement, so that the copy takes little memory however large a table is. */
const BATCH_ROWS = 2_000;

/** A table with rows of its own, or a partitioned one that stands for its partitions. */
interface CopiedTable {
  readonly schema: string;
  readonly name: string;
  /** Columns that are stored, in their order, with their types as Postgres prints them. */
  readonly columns: readonly string[];
  readonly types: readonly string[];
}

/** The rows of a table, as a number and a sum that does not depend on their order. */
export interface TableSum {
  readonly table: string;
  readonly rows: string;
  readonly high: string | null;
  readonly low: string | null;
}

const nameOf = ({ schema, name }: Pick<CopiedTable, "schema" | "name">): string => `${sqlName(schema)}.${sqlName(name)}`;

/**
 * Copies every row of one database into another that has the same tables and no rows worth keeping, partitions and the
 * places of sequences included. Triggers and foreign keys do not run. Throws `store-failed` when a table differs, before anything is
 * copied.
 */
export async function copyDatabase(from: Database, to: Database): Promise<void> {
  const tables = await tablesOf(from);
  await copyPartitions(from, to);
  checkSame(tables, await tablesOf(to));
  await to.transaction(async (tx) => {
    await tx.script("SET LOCAL session_replication_role = replica; SET LOCAL hayloft.applying = 'on'");
    for (const table of tables) await tx.script(`DELETE FROM ${nameOf(table)}`);
    for (const table of tables) await copyTable(from, tx, table);
    await copySequences(from, tx);
  });
  await to.script("ANALYZE");
}

const tablesSql = `select n.nspname::text as schema, c.relname::text as name,
  array_agg(a.attname::text order by a.attnum) as columns, array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) as types
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  group by 1, 2 order by 1, 2`;

async function tablesOf(database: SqlSession): Promise<readonly CopiedTable[]> {
  return (await database.query<CopiedTable>(tablesSql)).rows;
}

/** All tables must be there with all columns; more of them means that something is not understood. */
function checkSame(from: readonly CopiedTable[], to: readonly CopiedTable[]): void {
  const print = ({ columns, types, ...table }: CopiedTable): string =>
    `${nameOf(table)} (${columns
      .map((column, place) => `${column} ${types[place] ?? ""}`)
      .toSorted()
      .join(", ")})`;
  const [left, right] = [new Set(from.map(print)), new Set(to.map(print))];
  const odd = [...[...left].filter((item) => !right.has(item)), ...[...right].filter((item) => !left.has(item))];
  if (odd.length > 0)
    throw new HayloftError("store-failed", { reason: "the new directory has other tables", table: odd[0] ?? "" });
}

/** Makes the partitions that only the first database has. */
async function copyPartitions(from: Database, to: Database): Promise<void> {
  const sql = `select c.oid::regclass::text as leaf, i.inhparent::regclass::text as parent, pg_get_expr(c.relpartbound, c.oid) as bound
    from pg_class c join pg_inherits i on i.inhrelid = c.oid where c.relispartition and c.relkind = 'r' order by 1`;
  const read = async (database: Database) =>
    (await database.query<{ readonly leaf: string; readonly parent: string; readonly bound: string }>(sql)).rows;
  const there = new Set((await read(to)).map(({ leaf }) => leaf));
  const statements = (await read(from)).flatMap(({ leaf, parent, bound }) =>
    there.has(leaf) ? [] : [`CREATE TABLE ${leaf} PARTITION OF ${parent} ${bound};`],
  );
  if (statements.length > 0) await to.script(statements.join("\n"));
}

async function copyTable(from: Database, to: SqlSession, table: CopiedTable): Promise<void> {
  const list = sqlNames(table.columns);
  const texts = table.columns.map((column) => `${sqlName(column)}::text`);
  const values = table.columns.map((column, place) => `${sqlName(column)}::${table.types[place] ?? "text"}`);
  const arrays = table.columns.map((_, place) => `$${String(place + 1)}::text[]`);
  const insert = `INSERT INTO ${nameOf(table)} (${list}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(", ")} FROM unnest(${arrays.join(", ")}) AS incoming (${list})`;
  await from.transaction(
    async (tx) => {
      await tx.script(textForm);
      await tx.script(`DECLARE hayloft_copy NO SCROLL CURSOR FOR SELECT ARRAY[${texts.join(", ")}] AS row FROM ${nameOf(table)}`);
      for (;;) {
        const { rows } = await tx.query<{ readonly row: readonly (string | null)[] }>(
          `FETCH ${String(BATCH_ROWS)} FROM hayloft_copy`,
        );
        if (rows.length === 0) return;
        const vectors = table.columns.map((_, place) => rows.map(({ row }) => row[place] ?? null));
        await to.query(insert, vectors);
      }
    },
    { isolation: "repeatable read", readOnly: true },
  );
}

const textForm = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'`;

async function copySequences(from: Database, to: SqlSession): Promise<void> {
  const { rows } = await from.query<{ readonly name: string; readonly last: string | null }>(
    `select format('%I.%I', schemaname, sequencename) as name, last_value::text as last from pg_sequences where last_value is not null`,
  );
  for (const { name, last } of rows) await to.script(`SELECT setval(${sqlText(name)}::regclass, ${last ?? "1"}, true)`);
}

/** The sums of all tables, of the engine's too. Equal sums: equal rows. */
export async function sumTables(tx: SqlSession): Promise<readonly TableSum[]> {
  await tx.script(textForm);
  const sums: TableSum[] = [];
  for (const table of await tablesOf(tx)) {
    const texts = table.columns.toSorted().map((column) => `coalesce('=' || ${sqlName(column)}::text, '-')`);
    const half = (start: number): string => `sum(('x' || substr(hash, ${String(start)}, 16))::bit(64)::bigint::numeric)::text`;
    const { rows } = await tx.query<Omit<TableSum, "table">>(
      `select count(*)::text as rows, ${half(1)} as high, ${half(17)} as low
      from (select md5(array_to_string(ARRAY[${texts.join(", ")}], E'\\x1f')) as hash from ${nameOf(table)}) as hashes`,
    );
    const [sum] = rows;
    sums.push({ table: nameOf(table), rows: sum?.rows ?? "0", high: sum?.high ?? null, low: sum?.low ?? null });
  }
  return sums;
}
