import { catalogHash } from "../catalog/catalog-hash.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { sha256 } from "../commit/sha256.ts";
import type { Migration } from "../migrate/migration.ts";
import { engineMigrations } from "../sql/engine-migrations.ts";
import { installedPglite } from "../store/pglite/installed-pglite.ts";
import { storeFormat } from "../store/pglite/store-version.ts";

/** What a program can open: an image of another kind is of no use to it. */
export interface ImageKind {
  readonly application: string;
  readonly catalogVersion: number;
  /** Hex, over the catalog and every migration: whoever agrees makes the same tables. */
  readonly schema: string;
  /** The format of the files, for example `pglite-0.5`. It is the same on every machine. */
  readonly store: string;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The kind of images that this program makes and takes. */
export function imageKind(catalog: Catalog, migrations: readonly Migration[]): ImageKind {
  const texts = [...engineMigrations, ...migrations].map(({ name, sql }) => [name, hexOf(sha256(sql))]);
  return {
    application: catalog.name,
    catalogVersion: catalog.version,
    schema: hexOf(sha256(JSON.stringify([hexOf(catalogHash(catalog)), texts]))),
    store: `pglite-${storeFormat(installedPglite())}`,
  };
}

/** Names the images that serve one grant (as `grantText`) and one kind of program: hex. */
export const imageKey = ({ application, catalogVersion, schema, store }: ImageKind, granted: string): string =>
  hexOf(sha256(JSON.stringify([application, catalogVersion, schema, store, granted])));
