import type { SqlSession } from "../store/database.ts";

/** One fact about a schema: a table, column, key, check, index or trigger, and how Postgres prints it. */
export interface SchemaFact {
  readonly table: string;
  readonly kind: "table" | "column" | "constraint" | "index" | "trigger";
  readonly name: string;
  readonly definition: string;
}

/**
 * Everything in the first schema of the search path, partitions left out. Names are printed without the schema, so that equal
 * tables in two schemas have equal facts.
 */
export async function describeSchema(tx: SqlSession): Promise<readonly SchemaFact[]> {
  return (await tx.query<SchemaFact>(factsSql)).rows.map((fact) => ({
    ...fact,
    // A check that older rows need not hold is the same check.
    definition: fact.definition.replaceAll(/\s+/g, " ").replace(/ NOT VALID$/, ""),
  }));
}

const factsSql = `with here as (
  select c.oid, c.relname::text as name, c.relkind from pg_class c
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
)
select h.name as "table", 'table' as kind, h.name, coalesce('partition by ' || pg_get_partkeydef(h.oid), 'plain') as definition
  from here h
union all
select h.name, 'column', a.attname::text,
  concat_ws(' ', format_type(a.atttypid, a.atttypmod), 'collate ' || nullif(col.collname::text, 'default'),
    case when a.attnotnull then 'not null' end, 'default ' || pg_get_expr(d.adbin, d.adrelid))
  from here h join pg_attribute a on a.attrelid = h.oid and a.attnum > 0 and not a.attisdropped
  left join pg_collation col on col.oid = a.attcollation
  left join pg_attrdef d on d.adrelid = h.oid and d.adnum = a.attnum
union all
select h.name, 'constraint', c.conname::text, pg_get_constraintdef(c.oid)
  from here h join pg_constraint c on c.conrelid = h.oid and c.contype in ('c', 'f', 'p', 'u') and c.conparentid = 0
union all
select h.name, 'index', i.relname::text, replace(pg_get_indexdef(x.indexrelid), current_schema()::text || '.', '')
  from here h join pg_index x on x.indrelid = h.oid join pg_class i on i.oid = x.indexrelid
  where not exists (select 1 from pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u'))
union all
select h.name, 'trigger', t.tgname::text, t.tgenabled::text
  from here h join pg_trigger t on t.tgrelid = h.oid and not t.tgisinternal
order by 1, 2, 3`;
