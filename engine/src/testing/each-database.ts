import { describe } from "vitest";
import type { Database } from "../store/database.ts";
import { freshPglite } from "./fresh-pglite.ts";
import { freshPostgres } from "./fresh-postgres.ts";

/** Runs the same tests on PGlite and on Postgres; `open` gives a new, empty database that the test closes. */
export function eachDatabase(name: string, tests: (open: () => Promise<Database>) => void): void {
  describe(`${name} on PGlite`, () => {
    tests(freshPglite);
  });
  describe(`${name} on Postgres`, () => {
    tests(freshPostgres);
  });
}
