import type { Catalog, Column, SqlSession, Table } from "@hayloft/engine";

/** Columns and keys of tables, in a form that a catalog and a database can both be brought to. */
export type Shape = Readonly<Record<string, readonly string[]>>;

const columnsSql = `
select c.relname::text as table_name, a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as required, pg_get_expr(d.adbin, d.adrelid) is not null as defaulted,
       coalesce(co.collname, '')::text as collation
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
left join pg_collation co on co.oid = a.attcollation
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`;

const keysSql = `
select c.relname::text as table_name, i.indisprimary as is_primary, i.indisunique as is_unique, i.indnullsnotdistinct as nulls_equal,
       i.indpred is not null as partial,
       array(select a.attname || case when (i.indoption[k.ord - 1] & 1) = 1 then ' desc' else '' end
             from unnest(i.indkey::int2[]) with ordinality k(attnum, ord)
             join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum order by k.ord)::text[] as columns
from pg_index i join pg_class c on c.oid = i.indrelid
where c.relnamespace = 'public'::regnamespace and not c.relispartition`;

const constraintsSql = `
select c.relname::text as table_name, k.contype::text as kind, pg_get_constraintdef(k.oid) as definition, k.conname::text as name,
       array(select a.attname from unnest(k.conkey) with ordinality u(attnum, ord)
             join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum order by u.ord)::text[] as columns,
       coalesce((select f.relname from pg_class f where f.oid = k.confrelid), '')::text as target
from pg_constraint k join pg_class c on c.oid = k.conrelid
where c.relnamespace = 'public'::regnamespace and not c.relispartition and k.contype in ('f', 'c') and k.conparentid = 0`;

interface ColumnRow {
  readonly table_name: string;
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly defaulted: boolean;
  readonly collation: string;
}

interface KeyRow {
  readonly table_name: string;
  readonly is_primary: boolean;
  readonly is_unique: boolean;
  readonly nulls_equal: boolean;
  readonly partial: boolean;
  readonly columns: readonly string[];
}

interface ConstraintRow {
  readonly table_name: string;
  readonly kind: string;
  readonly definition: string;
  readonly columns: readonly string[];
  readonly target: string;
}

const keyText = (kind: string, columns: readonly string[], extra = ""): string => `${kind} (${columns.join(", ")})${extra}`;
const checkCount = (count: number): string => `checks ${count}`;

const columnText = (name: string, type: string, required: boolean, defaulted: boolean): string =>
  `column ${name} ${type}${required ? " required" : ""}${defaulted ? " defaulted" : ""}`;

/** The tables of the database's public schema, partitions aside. */
export async function databaseShape(session: SqlSession): Promise<Shape> {
  const shape = new Map<string, string[]>();
  const add = (table: string, line: string): void => void shape.set(table, [...(shape.get(table) ?? []), line]);
  for (const row of (await session.query<ColumnRow>(columnsSql)).rows) {
    add(row.table_name, columnText(row.name, row.collation === "C" ? `${row.type} C` : row.type, row.required, row.defaulted));
  }
  for (const row of (await session.query<KeyRow>(keysSql)).rows) {
    const kind = row.is_primary ? "primary" : row.is_unique ? "unique" : "index";
    add(row.table_name, keyText(kind, row.columns, `${row.nulls_equal ? " nulls equal" : ""}${row.partial ? " partial" : ""}`));
  }
  const constraints = (await session.query<ConstraintRow>(constraintsSql)).rows;
  for (const row of constraints.filter((each) => each.kind === "f")) {
    const isDeferred = row.definition.includes("DEFERRABLE INITIALLY DEFERRED");
    add(row.table_name, keyText("reference", row.columns, ` > ${row.target}${isDeferred ? "" : " not deferred"}`));
  }
  for (const table of shape.keys())
    add(table, checkCount(constraints.filter((row) => row.kind === "c" && row.table_name === table).length));
  return Object.fromEntries([...shape].map(([table, lines]) => [table, [...lines].sort()]));
}

/** Every check of the public schema, as the database prints it. */
export async function databaseChecks(session: SqlSession): Promise<readonly string[]> {
  const { rows } = await session.query<ConstraintRow>(constraintsSql);
  return rows.map((row) => `${row.table_name}: ${row.definition}`).sort();
}

const typeText = (column: Column): string => {
  const { type } = column;
  if (type.kind === "numeric") return `numeric(${type.precision},${type.scale})`;
  const texts: Readonly<Record<string, string>> = {
    text: "text C",
    double: "double precision",
    timestamptz: "timestamp with time zone",
  };
  return texts[type.kind] ?? type.kind;
};

function tableShape(item: Table): readonly string[] {
  const columns = Object.entries(item.columns);
  const conditions = columns.flatMap(([, column]) => [column.allowed, column.condition].filter((each) => each !== null));
  return [
    ...columns.map(([name, column]) => columnText(name, typeText(column), !column.isNullable, column.defaultSql !== null)),
    keyText("primary", item.primaryKey),
    ...item.unique.map((unique) =>
      keyText(
        "unique",
        unique.columns,
        `${unique.nullsNotDistinct === true ? " nulls equal" : ""}${unique.where === undefined ? "" : " partial"}`,
      ),
    ),
    ...item.indexes.map((index) => keyText("index", index)),
    ...item.references.map((reference) => keyText("reference", reference.columns, ` > ${reference.table}`)),
    checkCount(conditions.length + Object.keys(item.checks).length),
  ].sort();
}

/** What a database of the catalog must look like. */
export const catalogShape = (catalog: Catalog): Shape =>
  Object.fromEntries(catalog.tables.map((item) => [item.name, tableShape(item)]));
