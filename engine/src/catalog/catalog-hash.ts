import { sha256 } from "../commit/sha256.ts";
import type { Catalog } from "./catalog.ts";
import type { CatalogVersion } from "./history.ts";
import type { Table } from "./table.ts";

/**
 * SHA-256 over the canonical declaration of a catalog: everything that decides what is stored, who may write it and how
 * it merges. Two replicas with equal hashes can exchange commits without a bridge. Prose (`about`, `group`, `category`)
 * does not count, nor does the order of the tables.
 */
export function catalogHash(catalog: Catalog): Uint8Array {
  let hash = hashes.get(catalog);
  if (hash === undefined) hashes.set(catalog, (hash = hashOf(catalog)));
  return hash.slice();
}

/** A catalog never changes, and a start asks several times. */
const hashes = new WeakMap<Catalog, Uint8Array>();

function hashOf(catalog: Catalog): Uint8Array {
  const { name, version, oldestVersion, history, tiers, scopes, sharedTenant } = catalog;
  const tables = [...catalog.tables].toSorted((left, right) => (left.name < right.name ? -1 : 1)).map(tableDeclaration);
  return sha256(
    canonical({ name, version, oldestVersion, history: historyDeclaration(history), tiers, scopes, sharedTenant, tables }),
  );
}

/** Everything that a table declares, as plain data. */
export function tableDeclaration(table: Table): Record<string, unknown> {
  // Columns are a list here, because their order is the order of the vectors.
  const columns = Object.entries(table.columns).map(([name, { type, isNullable, defaultSql, allowed, condition }]) => ({
    name,
    type,
    isNullable,
    defaultSql,
    allowed,
    condition,
  }));
  return { ...table, about: undefined, group: undefined, category: undefined, columns };
}

/** What a history says; the code of its conversions has no stable form and does not count. */
function historyDeclaration(history: readonly CatalogVersion[]): readonly unknown[] | undefined {
  if (history.length === 0) return undefined;
  return history.map(({ version, changes }) => ({
    version,
    changes: changes.map((change) =>
      Object.fromEntries(
        Object.entries(change).flatMap(([key, value]) => (typeof value === "function" ? [] : [[key, declarationOf(value)]])),
      ),
    ),
  }));
}

const declarationOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "columns" in value && "primaryKey" in value
    ? tableDeclaration(value as Table)
    : value;

/** JSON with the keys of every object in order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([left], [right]) => (left < right ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}
