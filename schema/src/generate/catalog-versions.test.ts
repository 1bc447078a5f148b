import { readFileSync } from "node:fs";
import type { Column } from "@hayloft/engine";
import { addedColumn, catalog, lintCatalog, lintUpgrade, recordVersion, text } from "@hayloft/engine";
import { describe, expect, it } from "vitest";
import { farmCatalog } from "../farm-catalog.ts";
import { catalogVersionsFile, catalogVersionsText, readCatalogVersions, withPresent } from "./catalog-versions.ts";

/** The farm with a column more in its barns, as the version that follows. */
function grown(column: Column, declared: boolean) {
  const tables = farmCatalog.tables.map((table) =>
    table.name === "barns" ? { ...table, columns: { ...table.columns, nickname: column } } : table,
  );
  const changes = declared ? [addedColumn("barns", "nickname")] : [];
  const version = farmCatalog.version + 1;
  return catalog({ ...farmCatalog, version, history: [...farmCatalog.history, { version, changes }], tables });
}

describe("the record of the catalog's versions", () => {
  it("S11.5 F-F1 no version that is supported is stranded", () => {
    expect(lintUpgrade(farmCatalog, readCatalogVersions().versions)).toEqual([]);
  });

  it("has the present version as it is; run `npm run generate:docs -w schema`, or make a new version when this one is released", () => {
    const recorded = readCatalogVersions();
    expect(recorded.versions.find(({ version }) => version === farmCatalog.version)).toEqual(recordVersion(farmCatalog));
    expect(readFileSync(catalogVersionsFile, "utf8")).toBe(catalogVersionsText(withPresent(recorded, farmCatalog)));
  });

  it("S11.5 the next version is refused until it says how it differs, and what older rows hold", () => {
    const { versions } = readCatalogVersions();
    const faults = (of: ReturnType<typeof grown>) =>
      [...lintCatalog(of), ...lintUpgrade(of, versions)].map(({ message }) => message);
    expect(faults(grown(text().nullable(), false))).toEqual([
      expect.stringContaining(
        'Version 1 is supported: it has no column barns.nickname. Declare addedColumn("barns", "nickname")',
      ),
    ]);
    expect(faults(grown(text(), true))).toEqual([expect.stringContaining("barns.nickname is NOT NULL without a default")]);
    expect(faults(grown(text().nullable(), true))).toEqual([]);
  });

  it("a released version is not recorded anew", () => {
    const released = { released: farmCatalog.version, versions: readCatalogVersions().versions };
    const other = catalog({ ...farmCatalog, tables: farmCatalog.tables.slice(1) });
    expect(withPresent(released, other)).toEqual(released);
  });
});
