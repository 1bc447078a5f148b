import type { Database } from "../store/database.ts";

/**
 * What tests can change besides rows: everything that statements of DDL leave in the system tables. Two equal texts mean the same
 * tables, triggers, functions and rights. Statistics and flags that Postgres sets by itself are left out.
 */
const shapeSql = `
  select md5(string_agg(line, ',' order by line)) from (
    select concat('table ', c.oid, c.relname, c.relnamespace, c.relkind, c.relpersistence, c.relowner, c.relispartition,
      c.relrowsecurity, c.relforcerowsecurity, c.relacl, c.reloptions) as line from pg_class c where c.relnamespace in (select oid from own)
    union all select concat('column ', a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull, a.attisdropped, a.attacl)
      from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace in (select oid from own) and a.attnum > 0
    union all select concat('default ', d.oid, d.xmin) from pg_attrdef d join pg_class c on c.oid = d.adrelid where c.relnamespace in (select oid from own)
    union all select concat('function ', p.oid, p.xmin) from pg_proc p where p.pronamespace in (select oid from own)
    union all select concat('trigger ', t.oid, t.tgenabled) from pg_trigger t
    union all select concat('constraint ', k.oid, k.convalidated, k.condeferred) from pg_constraint k where k.connamespace in (select oid from own)
    union all select concat('policy ', p.oid, p.xmin) from pg_policy p
    union all select concat('extension ', e.oid) from pg_extension e
    union all select concat('event trigger ', e.oid) from pg_event_trigger e
    union all select concat('schema ', n.oid, n.nspname, n.nspacl) from pg_namespace n where n.oid in (select oid from own)
    union all select concat('setting ', s.setrole, s.setconfig) from pg_db_role_setting s
      where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
    union all select concat('role ', r.oid, r.rolname) from pg_roles r where r.rolname !~ '^pg_' and current_setting('hayloft_testing.roles') = 'on'
  ) lines`;

const ownSchemas = `own as (select oid from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'hayloft_testing'))`;

/** Each table that holds rows of its own, partitions one by one. */
const eachTable = `
    for found in select c.oid::regclass as name, c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'hayloft_testing') loop`;

const rememberSql = `
  create schema hayloft_testing;
  create table hayloft_testing.copied (source oid, copy text, columns text);
  create table hayloft_testing.sequence as select c.oid::regclass::text as name, s.last_value
    from pg_sequences s join pg_class c on c.oid = format('%I.%I', s.schemaname, s.sequencename)::regclass;
  do $$
  declare
    found record;
    filled boolean;
    columns text;
  begin
    ${eachTable}
      execute format('select exists (select from %s)', found.name) into filled;
      continue when not filled;
      select string_agg(quote_ident(attname), ', ' order by attnum) into columns from pg_attribute
        where attrelid = found.oid and attnum > 0 and not attisdropped and attgenerated = '';
      execute format('create table hayloft_testing.rows_%s as select %s from %s', found.oid, columns, found.name);
      insert into hayloft_testing.copied values (found.oid, 'rows_' || found.oid, columns);
    end loop;
  end $$;
  create table hayloft_testing.shape as with ${ownSchemas} ${shapeSql.replace("select md5", "select 1 as only_row, md5").replace("line))", "line)) as text")};
`;

const resetSql = `
  set local lock_timeout = '5s';
  set local session_replication_role = replica;
  set local hayloft.applying = 'on';
  set constraints all deferred;
  do $$
  declare
    found record;
    filled boolean;
  begin
    if (with ${ownSchemas} ${shapeSql}) is distinct from (select text from hayloft_testing.shape) then
      raise exception 'a test changed more than rows';
    end if;
    ${eachTable}
      execute format('select exists (select from %s)', found.name) into filled;
      if filled then execute format('delete from %s', found.name); end if;
    end loop;
    for found in select source::regclass as name, copy, columns from hayloft_testing.copied loop
      execute format('insert into %s (%s) overriding system value select %s from hayloft_testing.%I',
        found.name, found.columns, found.columns, found.copy);
    end loop;
    for found in select name, last_value from hayloft_testing.sequence loop
      execute format('select setval(%L, %s, %L)', found.name, coalesce(found.last_value, 1), found.last_value is not null);
    end loop;
  end $$;
`;

const withRoles = (database: Database): string =>
  `set local hayloft_testing.roles = ${database.dialect === "pglite" ? "on" : "off"};`;

/** Keeps what a database holds now, for `resetDatabase`. */
export async function rememberDatabase(database: Database): Promise<void> {
  await database.transaction(async (tx) => await tx.script(withRoles(database) + rememberSql));
}

/** Puts the rows of a remembered database back. Throws when a test changed more than rows: such a database is of no more use. */
export async function resetDatabase(database: Database): Promise<void> {
  await database.transaction(async (tx) => await tx.script(withRoles(database) + resetSql));
}
