import { describe, inject } from "vitest";
import { freshPglite } from "./fresh-pglite.ts";
import { freshPostgres } from "./fresh-postgres.ts";
import type { OpenDatabase } from "./preparation.ts";

/**
 * Runs the same tests on PGlite and on Postgres; `open` gives a new database, empty or as prepared, that the test closes. In the project of
 * an older Postgres only on that: PGlite is the same in every project.
 */
export function eachDatabase(name: string, tests: (open: OpenDatabase) => void): void {
  const release = inject("hayloftOlderPostgres");
  const databases =
    release === null ? { PGlite: freshPglite, Postgres: freshPostgres } : { [`Postgres ${release}`]: freshPostgres };
  describe.each(Object.entries(databases))(`${name} on %s`, (_, open) => {
    tests(open);
  });
}
