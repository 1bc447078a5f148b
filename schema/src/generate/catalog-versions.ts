import { readFileSync } from "node:fs";
import type { Catalog, RecordedVersion } from "@hayloft/engine";
import { recordVersion } from "@hayloft/engine";

/** What is kept of the catalog's versions, beside the source. */
export interface CatalogVersions {
  /** The newest version that was ever given to anybody. Its record, and those before it, never change again. */
  readonly released: number;
  readonly versions: readonly RecordedVersion[];
}

export const catalogVersionsFile = new URL("../../catalog-versions.json", import.meta.url);

export const readCatalogVersions = (): CatalogVersions =>
  JSON.parse(readFileSync(catalogVersionsFile, "utf8")) as CatalogVersions;

/** The record with the present version in it. A released one is left as it is; the test says when the catalog differs from it. */
export function withPresent({ released, versions }: CatalogVersions, catalog: Catalog): CatalogVersions {
  if (catalog.version <= released) return { released, versions };
  const earlier = versions.filter(({ version }) => version < catalog.version);
  return { released, versions: [...earlier, recordVersion(catalog)] };
}

/** The file's text: one table a line, so that a change shows what changed. */
export function catalogVersionsText({ released, versions }: CatalogVersions): string {
  const texts = versions.map(({ version, tables }) => {
    const lines = Object.entries(tables).map(([name, table]) => `  ${JSON.stringify(name)}: ${JSON.stringify(table)}`);
    return `{ "version": ${String(version)}, "tables": {\n${lines.join(",\n")}\n} }`;
  });
  return `{ "released": ${String(released)}, "versions": [\n${texts.join(",\n")}\n] }\n`;
}
