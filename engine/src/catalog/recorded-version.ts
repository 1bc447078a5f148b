import { tableDeclaration } from "./catalog-hash.ts";
import type { Catalog } from "./catalog.ts";

/** What a version of a catalog declared, as plain data to be kept with the source once it is released. */
export interface RecordedVersion {
  readonly version: number;
  readonly tables: Readonly<Record<string, RecordedTable>>;
}

export interface RecordedColumn {
  readonly name: string;
  readonly type: { readonly kind: string; readonly precision?: number; readonly scale?: number };
  readonly isNullable: boolean;
  readonly allowed: readonly string[] | null;
  readonly condition: string | null;
}

/** The part of a table's declaration that other versions have to fit. */
export interface RecordedTable {
  readonly columns: readonly RecordedColumn[];
  readonly primaryKey: readonly string[];
  readonly unique: readonly unknown[];
  readonly references: readonly unknown[];
  readonly checks: Readonly<Record<string, string>>;
  readonly writers: readonly string[];
  readonly flow: string;
  readonly rule: unknown;
}

/** What a catalog declares, for the record. */
export function recordVersion(catalog: Pick<Catalog, "version" | "tables">): RecordedVersion {
  const entries = catalog.tables.map((table) => {
    const { columns, primaryKey, unique, references, checks, writers, flow, rule } = tableDeclaration(table);
    // What is left is plain data, as JSON reads it back.
    const plain = JSON.stringify({ columns, primaryKey, unique, references, checks, writers, flow, rule });
    return [table.name, JSON.parse(plain) as RecordedTable] as const;
  });
  return { version: catalog.version, tables: Object.fromEntries(entries) };
}
