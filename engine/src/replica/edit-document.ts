import type { Catalog } from "../catalog/catalog.ts";
import type { Table } from "../catalog/table.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";

/** A cell whose column follows the rule `document`. */
export interface DocumentPlace {
  readonly table: string;
  /** The whole primary key, the tenant with it. */
  readonly key: Readonly<Record<string, string | number>>;
  readonly column: string;
}

/** A document is text, or what `JSON.parse` gives; null when the column is. */
export type DocumentValue = unknown;

/**
 * Returns the new value, or changes the JSON it was given and returns nothing. Called inside the transaction, with the row locked.
 */
export type DocumentEdit = (value: DocumentValue) => DocumentValue;

/**
 * Reads the document with its row locked, edits it and writes it back, so that the edit builds on the very value that it was given.
 * What differs is captured as in any other write. Numbers in JSON are JavaScript's. Throws `request-invalid` for a place that is no
 * document and `not-found` for a row that is not there.
 */
export async function editDocument(tx: SqlSession, catalog: Catalog, place: DocumentPlace, edit: DocumentEdit): Promise<void> {
  const { table, isText } = documentAt(catalog, place);
  const keys = table.primaryKey.map((name) => place.key[name] ?? null);
  const where = table.primaryKey.map((name, index) => `${sqlName(name)} = $${String(index + 1)}`).join(" and ");
  const column = sqlName(place.column);
  const { rows } = await tx.query<{ value: string | null }>(
    `select ${column}::text as value from ${sqlName(table.name)} where ${where} for update`,
    keys,
  );
  const [row] = rows;
  if (row === undefined) throw new HayloftError("not-found", { table: table.name });
  const value: unknown = isText || row.value === null ? row.value : JSON.parse(row.value);
  const edited = edit(value);
  const next = edited === undefined ? value : edited;
  const parameter: SqlParameter = isText || next === null ? textOrNull(next, place) : JSON.stringify(next);
  await tx.query(`update ${sqlName(table.name)} set ${column} = $${String(keys.length + 1)} where ${where}`, [
    ...keys,
    parameter,
  ]);
}

function textOrNull(value: unknown, { column }: DocumentPlace): string | null {
  if (typeof value === "string" || value === null) return value;
  throw new HayloftError("request-invalid", { column, reason: "the document is a text" });
}

function documentAt(
  catalog: Catalog,
  { table: name, key, column }: DocumentPlace,
): { readonly table: Table; readonly isText: boolean } {
  const table = catalog.byName.get(name);
  const rule = table?.rule.columns[column];
  if (table === undefined || rule?.kind !== "document") throw new HayloftError("request-invalid", { table: name, column });
  const missing = table.primaryKey.filter((part) => key[part] === undefined);
  if (missing.length > 0) throw new HayloftError("request-invalid", { table: name, missing: missing.join(",") });
  return { table, isText: rule.format === "text" };
}
