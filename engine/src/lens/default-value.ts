import type { Column } from "../catalog/column.ts";
import type { CellText } from "../commit/commit.ts";

/**
 * What a row holds in the column when nobody says: the value of a plain literal default, null for a nullable column without one.
 * Undefined when only the database could tell: a default that is computed, or none at all.
 */
export function defaultValue(column: Column): CellText | undefined {
  const sql = column.defaultSql?.trim() ?? null;
  if (sql === null) return column.isNullable ? null : undefined;
  const quoted = /^'((?:[^']|'')*)'(?:\s*::\s*[a-z ]+)?$/i.exec(sql)?.[1];
  if (quoted !== undefined) return quoted.replaceAll("''", "'");
  if (/^-?\d+(?:\.\d+)?$/.test(sql)) return sql;
  if (/^(?:true|false)$/i.test(sql)) return sql.toLowerCase();
  return /^null$/i.test(sql) ? null : undefined;
}
