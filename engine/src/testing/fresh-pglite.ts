import type { Database } from "../store/database.ts";
import { pgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { WorkerEngine } from "../store/pglite/worker-engine.ts";

/** Engines that no test uses. Each takes 200–350 MB and most of a second to start, and emptying one takes milliseconds. */
const idle: WorkerEngine[] = [];
const idleMax = 4;

/** A new, empty PGlite database in memory; closing it hands its engine, emptied, to the next test of this process. */
export async function freshPglite(): Promise<Database> {
  const engine = idle.pop() ?? (await openEngine());
  engine.ref();
  const database: Database = pgliteDatabase(engine, "D0", async () => await recycle(engine));
  return database;
}

async function openEngine(): Promise<WorkerEngine> {
  const { engine } = await WorkerEngine.open({ dataDir: null, durable: false, image: null, onFatal: () => undefined });
  return engine;
}

async function recycle(engine: WorkerEngine): Promise<void> {
  const cleaner = pgliteDatabase(engine, "D0", () => Promise.resolve());
  if (idle.length >= idleMax) {
    await engine.close();
    return;
  }
  try {
    await cleaner.script(emptyDatabase);
    await cleaner.script("discard all");
    engine.unref();
    idle.push(engine);
  } catch {
    // Whatever a test did to its database, the next one gets another engine.
    await engine.close();
  }
}

/** Removes all that a test can have made: schemas, other databases' settings, roles and event triggers. */
const emptyDatabase = `
  reset role;
  reset session authorization;
  do $$
  declare
    found record;
  begin
    for found in select evtname from pg_event_trigger loop
      execute format('drop event trigger %I cascade', found.evtname);
    end loop;
    for found in select extname from pg_extension where extname <> 'plpgsql' loop
      execute format('drop extension %I cascade', found.extname);
    end loop;
    for found in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
      execute format('drop schema %I cascade', found.nspname);
    end loop;
    create schema public;
    grant all on schema public to public;
    alter database postgres reset all;
    alter role postgres reset all;
    for found in select rolname from pg_roles where rolname !~ '^pg_' and rolname <> current_user loop
      execute format('drop owned by %I cascade', found.rolname);
      execute format('drop role %I', found.rolname);
    end loop;
  end $$;
`;
