import type { Change, Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { CatalogLens } from "../lens/catalog-lens.ts";

/** Commits as the present catalog has them. */
export interface LiftedCommits {
  /** In the order of the originals. A commit that cannot be translated stands as it came. */
  readonly commits: readonly Commit[];
  /** Those that cannot be translated: of a newer version, of one that is forgotten, or with a value that no conversion takes. */
  readonly unreadable: ReadonlySet<Commit>;
  /** The commit as its author sealed it, which is what logs and quarantines keep. */
  readonly originalOf: (commit: Commit) => Commit;
}

/** Translates commits to the present version; those that have it already pass as they are. */
export function liftCommits(lens: CatalogLens, originals: readonly Commit[]): LiftedCommits {
  const known = new Map<Commit, Commit>();
  const unreadable = new Set<Commit>();
  const commits = originals.map((original) => {
    const lifted = liftCommit(lens, original);
    if (lifted === null) unreadable.add(original);
    else if (lifted !== original) known.set(lifted, original);
    return lifted ?? original;
  });
  return { commits, unreadable, originalOf: (commit) => known.get(commit) ?? commit };
}

/**
 * Changes of a log or quarantine as the present catalog has them. What cannot be translated was never applied here either, so
 * nothing of it counts. Throws `database-newer` for a newer version: another process has upgraded this database.
 */
export function liftStored(lens: CatalogLens, version: number, changes: readonly Change[]): readonly Change[] {
  if (version === lens.version) return changes;
  if (version > lens.version) throw new HayloftError("database-newer", { ours: lens.version, found: version });
  if (!lens.knows(version)) return [];
  try {
    return lens.lift(version, changes);
  } catch {
    return [];
  }
}

/** The commit in the present version, or null when it cannot be translated. */
export function liftCommit(lens: CatalogLens, commit: Commit): Commit | null {
  if (commit.catalogVersion === lens.version) return commit;
  if (!lens.knows(commit.catalogVersion)) return null;
  try {
    return { ...commit, catalogVersion: lens.version, changes: lens.lift(commit.catalogVersion, commit.changes) };
  } catch {
    // A conversion of the application could not take a value.
    return null;
  }
}
