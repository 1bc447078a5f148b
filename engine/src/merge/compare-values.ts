import type { CellText } from "../commit/commit.ts";
import type { SqlType } from "../catalog/column.ts";
import { compareDecimals, parseDecimal } from "./decimal.ts";

const sign = (left: string | number | bigint, right: string | number | bigint): number =>
  left < right ? -1 : left > right ? 1 : 0;

/** Compares two texts as `COLLATE "C"` does: by Unicode code point (which is UTF-8 byte order). */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a === b) continue;
    // UTF-16 puts surrogates (code points above U+FFFF) before U+E000 to U+FFFF; move them behind.
    return sign(a >= 0xd800 && a <= 0xdfff ? a + 0x10000 : a, b >= 0xd800 && b <= 0xdfff ? b + 0x10000 : b);
  }
  return sign(left.length, right.length);
}

/** Postgres sorts -Infinity below and Infinity above every number, and NaN above Infinity. */
const specialNumberRank = (value: string): number =>
  value === "NaN" ? 2 : value === "Infinity" ? 1 : value === "-Infinity" ? -1 : 0;

function compareNumeric(left: string, right: string): number {
  const ranks = sign(specialNumberRank(left), specialNumberRank(right));
  const a = parseDecimal(left);
  const b = parseDecimal(right);
  if (ranks !== 0 || a === null || b === null) return ranks === 0 ? compareText(left, right) : ranks;
  return compareDecimals(a, b);
}

function compareDouble(left: string, right: string): number {
  const a = Number(left);
  const b = Number(right);
  if (Number.isNaN(a) || Number.isNaN(b)) return sign(Number.isNaN(a) ? 1 : 0, Number.isNaN(b) ? 1 : 0);
  return sign(a, b);
}

/** Year with sign (BC is negative), then the rest, which compares as text. */
function timeParts(value: string): readonly [number, string] {
  if (value === "infinity") return [Infinity, ""];
  if (value === "-infinity") return [-Infinity, ""];
  const bc = value.endsWith(" BC");
  const dash = value.indexOf("-");
  const year = Number(value.slice(0, dash));
  return [bc ? -year : year, value.slice(dash, bc ? -3 : undefined)];
}

/** ISO text in UTC: `+` of the zone sorts before `.` of a fraction, so the rest of equal years compares as text. */
function compareTime(left: string, right: string): number {
  const [leftYear, leftRest] = timeParts(left);
  const [rightYear, rightRest] = timeParts(right);
  return sign(leftYear, rightYear) || sign(leftRest, rightRest);
}

const isTrue = (value: string): number => (value === "true" || value === "t" ? 1 : 0);

/**
 * Compares two values in Postgres text form as the database compares the type; text by C collation. Null is below every
 * value. Returns -1, 0 or 1.
 */
export function compareValues(type: SqlType, left: CellText, right: CellText): number {
  if (left === null || right === null) return sign(left === null ? 0 : 1, right === null ? 0 : 1);
  switch (type.kind) {
    case "integer":
    case "bigint":
    case "numeric":
      return compareNumeric(left, right);
    case "double":
      return compareDouble(left, right);
    case "boolean":
      return sign(isTrue(left), isTrue(right));
    case "date":
    case "timestamptz":
      return compareTime(left, right);
    case "text":
    case "uuid":
    case "jsonb":
      break;
  }
  return compareText(left, right);
}
