import { catalogHash } from "../catalog/catalog-hash.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { sha256 } from "../commit/sha256.ts";
import { captureDdl } from "../sql/capture-ddl.ts";
import { defaultCommitLimits } from "../sql/record-change-ddl.ts";
import type { MigrateOptions } from "./migrate-options.ts";

/** By tier, for the default limits. A catalog never changes, and the text of a farm's triggers is a megabyte. */
const hashes = new WeakMap<Catalog, Map<string, Uint8Array>>();

/** The hash of the triggers that `captureDdl` makes, which the database remembers. */
export function captureHash({ catalog, tier, limits }: Pick<MigrateOptions, "catalog" | "tier" | "limits">): Uint8Array {
  if (limits !== undefined) return sha256(captureDdl(catalog, tier, limits));
  const known = hashes.get(catalog) ?? new Map<string, Uint8Array>();
  hashes.set(catalog, known);
  const hash = known.get(tier) ?? sha256(captureDdl(catalog, tier, defaultCommitLimits));
  known.set(tier, hash);
  return hash;
}

/** Works out what `migrate` compares, for a program that has time before its database is open. */
export function prepareMigration(catalog: Catalog, tier: string): void {
  catalogHash(catalog);
  captureHash({ catalog, tier });
}
