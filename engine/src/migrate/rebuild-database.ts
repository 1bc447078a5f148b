import { HayloftError } from "../error/hayloft-error.ts";
import { engineMigrations } from "../sql/engine-migrations.ts";
import type { Database } from "../store/database.ts";
import { applyMigrations } from "./migrate.ts";
import type { Migration } from "./migration.ts";

/** Makes the tables of one database in another; `openPgliteDatabase` uses it to move a store to another version of PGlite. */
export interface DatabaseRebuild {
  /** Makes all tables of the source in an empty database. */
  readonly build: (target: Database, source: Database) => Promise<void>;
  /** Called when the rows are there and compared. */
  readonly finish: (target: Database) => Promise<void>;
}

/**
 * The rebuild of a replica's database: the migrations that the source has, and no later ones, so that the rows fit. Capture
 * is generated when the replica opens. Throws `database-newer` when the source has a migration that is not in the list.
 */
export const replicaRebuild = (migrations: readonly Migration[]): DatabaseRebuild => ({
  build: async (target, source) => {
    const { rows } = await source.query<{ readonly name: string }>("select name from hayloft.migration order by name");
    const names = new Set(rows.map(({ name }) => name));
    const wanted = [...engineMigrations, ...migrations].filter(({ name }) => names.delete(name));
    const [unknown] = names;
    if (unknown !== undefined)
      throw new HayloftError("database-newer", { applied: unknown, newest: migrations.at(-1)?.name ?? null });
    await applyMigrations(target, wanted);
  },
  finish: async (target) => {
    // The triggers did not come with the rows.
    await target.query("update hayloft.replica set capture_hash = null");
  },
});
