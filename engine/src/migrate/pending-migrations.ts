import { sameBytes } from "../commit/commit-hash.ts";
import { sha256 } from "../commit/sha256.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { Migration } from "./migration.ts";

/** Throws `migration-invalid` unless every name is four digits and words, and the names grow along the list. */
export function checkMigrationNames(migrations: readonly Migration[]): void {
  let before = "";
  for (const { name } of migrations) {
    if (!/^\d{4}_[a-z0-9_]+$/.test(name)) throw invalid(name, "A name is four digits and words, such as 0001_initial.");
    if (name <= before) throw invalid(name, `Names grow along the list, and this one follows ${before}.`);
    before = name;
  }
}

/**
 * The migrations that a database still lacks. `done` is what was applied, in the order of names. Throws
 * `migration-invalid` when an applied one was altered, removed or preceded by a new one, and `database-newer` when the
 * database is ahead of the list.
 */
export function pendingMigrations(
  migrations: readonly Migration[],
  done: readonly { readonly name: string; readonly hash: Uint8Array }[],
): readonly Migration[] {
  for (const [index, applied] of done.entries()) {
    const ours = migrations[index];
    if (ours === undefined)
      throw new HayloftError("database-newer", { applied: applied.name, newest: migrations.at(-1)?.name ?? null });
    if (ours.name !== applied.name) {
      if (migrations.some((item) => item.name === applied.name)) {
        throw invalid(ours.name, `It comes before ${applied.name}, which was applied already; add it at the end.`);
      }
      throw invalid(applied.name, "It was applied to this database and is not in the list.");
    }
    if (!sameBytes(sha256(ours.sql), applied.hash)) throw invalid(ours.name, "Its text differs from the one that was applied.");
  }
  return migrations.slice(done.length);
}

const invalid = (migration: string, reason: string): HayloftError => new HayloftError("migration-invalid", { migration, reason });
