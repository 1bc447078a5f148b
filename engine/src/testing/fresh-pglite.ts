import type { Database } from "../store/database.ts";
import { pgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { WorkerEngine } from "../store/pglite/worker-engine.ts";
import type { Preparation } from "./preparation.ts";
import { rememberDatabase, resetDatabase } from "./reset-database.ts";

/** An engine that no test uses; its database is empty, or as the preparation with `key` left it. */
interface Idle {
  readonly engine: WorkerEngine;
  readonly key: string | null;
}

/** Each engine takes 200–350 MB and a second to start, preparing it takes half of that, and emptying it takes milliseconds. */
const idle: Idle[] = [];
const idleMax = 5;
/** Engines of this process, and how many of them are on their way to `idle`. */
let engines = 0;
let returning = 0;
/** As many are started before one is emptied that holds another state. */
const enginesAtFirst = 3;

/** A new PGlite database in memory, empty or as prepared; closing it hands its engine to the next test of this process. */
export async function freshPglite(preparation?: Preparation): Promise<Database> {
  const key = preparation?.key ?? null;
  const { engine, ready } = await takeEngine(key);
  engine.ref();
  const database: Database = pgliteDatabase(engine, "D0", async () => await recycle(engine, key));
  if (preparation !== undefined && !ready) {
    await preparation.prepare(database);
    await rememberDatabase(database);
  }
  return database;
}

/** One that is as asked for; else one that waited longest, emptied; else a new one. */
async function takeEngine(key: string | null): Promise<{ readonly engine: WorkerEngine; readonly ready: boolean }> {
  const place = idle.findLastIndex((item) => item.key === key);
  const [same] = place < 0 ? [] : idle.splice(place, 1);
  if (same !== undefined) return { engine: same.engine, ready: true };
  const other = engines < enginesAtFirst ? undefined : idle.shift();
  if (other !== undefined && (await emptied(other.engine))) return { engine: other.engine, ready: false };
  engines += 1;
  const { engine } = await WorkerEngine.open({ dataDir: null, durable: false, image: null, onFatal: () => undefined });
  return { engine, ready: false };
}

async function emptied(engine: WorkerEngine): Promise<boolean> {
  try {
    await cleaner(engine).script(emptyDatabase);
    await cleaner(engine).script("discard all");
    return true;
  } catch {
    // Whatever a test did to its database, the next one gets another engine.
    await discard(engine);
    return false;
  }
}

const cleaner = (engine: WorkerEngine): Database => pgliteDatabase(engine, "D0", () => Promise.resolve());

async function discard(engine: WorkerEngine): Promise<void> {
  engines -= 1;
  await engine.close();
}

async function recycle(engine: WorkerEngine, key: string | null): Promise<void> {
  if (idle.length + returning >= idleMax) {
    await discard(engine);
    return;
  }
  returning += 1;
  try {
    const kept = await putBack(engine, key);
    if (kept === undefined) return;
    engine.unref();
    idle.push({ engine, key: kept });
  } finally {
    returning -= 1;
  }
}

/** What the engine's database is now; undefined when the engine is of no more use. */
async function putBack(engine: WorkerEngine, key: string | null): Promise<string | null | undefined> {
  try {
    await cleaner(engine).script("reset role; reset session authorization");
    await cleaner(engine).script("discard all");
    if (key !== null) {
      await resetDatabase(cleaner(engine));
      return key;
    }
  } catch {
    // It is emptied below.
  }
  return (await emptied(engine)) ? null : undefined;
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
