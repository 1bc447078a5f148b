import type { Database } from "../database.ts";

/** Transactions after which a table's rows are marked as older than all; Postgres takes no more writes 2 billion after the last time. */
const FREEZE_AGE = 150_000_000;
/** A table rests so long, so that one which a vacuum does not help takes nobody's time. */
const REST_MS = 600_000;

/** The tables whose rows changed most since they were vacuumed or analysed, by the settings of Postgres' autovacuum; old ones first. Statistics are not kept of the table of statistics. */
const DUE_SQL = `
  select format('%I.%I', n.nspname, c.relname) as name, age(c.relfrozenxid) > $1::integer as freeze
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_all_tables s on s.relid = c.oid,
    lateral (select greatest(c.reltuples, 0) as rows, pg_relation_size(c.oid) / current_setting('block_size')::bigint as pages) size
  where c.relkind in ('r', 'm') and c.relpersistence <> 't' and (age(c.relfrozenxid) > $1::integer
    or s.n_dead_tup > 50 + 0.2 * rows or s.n_ins_since_vacuum > 1000 + 0.2 * rows or s.n_mod_since_analyze > 50 + 0.1 * rows and c.oid <> 'pg_statistic'::regclass
    -- A process that was killed has forgotten the counters.
    or pages > 100 + 1.2 * c.relpages)
    and coalesce(s.last_vacuum, '-infinity') <= now() - $2::double precision * interval '1 ms'
  order by age(c.relfrozenxid) > $1::integer desc, coalesce(s.n_dead_tup, 0) + coalesce(s.n_ins_since_vacuum, 0) desc, c.oid limit 1`;

/**
 * Vacuums and analyses the table that needs it most; its name, or null when none does. A server has processes for this; PGlite has none, and
 * without calls of this the space of deleted rows is lost, plans rest on guesses, and after 2 billion transactions nothing can be written.
 * Other statements wait meanwhile: about a second for each million of new or dead rows.
 */
export async function vacuumWhenDue(
  database: Database,
  { freezeAge = FREEZE_AGE, restMs = REST_MS }: { readonly freezeAge?: number; readonly restMs?: number } = {},
): Promise<string | null> {
  if (database.dialect !== "pglite") return null;
  const { rows } = await database.query<{ name: string; freeze: boolean }>(DUE_SQL, [freezeAge, restMs]);
  const [due] = rows;
  if (due === undefined) return null;
  await database.script(`VACUUM (ANALYZE${due.freeze ? ", FREEZE" : ""}) ${due.name}`);
  return due.name;
}
