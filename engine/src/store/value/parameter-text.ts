import { HayloftError } from "../../error/hayloft-error.ts";
import type { SqlParameter } from "../database.ts";

/** What travels to the database: text, bytes, or null. Both adapters send the same. */
export type WireParameter = string | Uint8Array | null;

/**
 * The text form of a parameter as both databases read it: dates in UTC with microseconds, arrays as array literals.
 * Throws `sql-failed` (22P02, 22008, 22021) for values that have no text form, naming the parameter's number only.
 */
export function wireParameters(parameters: readonly SqlParameter[]): WireParameter[] {
  return parameters.map((value, index) => wireParameter(value, index + 1));
}

function wireParameter(value: SqlParameter, parameter: number): WireParameter {
  if (value === null || value instanceof Uint8Array) return value;
  if (value instanceof Date) return dateText(value, parameter);
  if (Array.isArray(value)) return arrayText(value, parameter);
  return scalarText(value, parameter);
}

function scalarText(value: unknown, parameter: number): string {
  if (typeof value === "string") {
    if (value.includes("\0")) throw new HayloftError("sql-failed", { sqlstate: "22021", parameter });
    return value;
  }
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  throw new HayloftError("sql-failed", { sqlstate: "22P02", parameter, type: typeof value });
}

/** What an array literal in quotes has to escape, and what no text can hold. */
const escaped = /["\\\0]/;
const isText = (value: unknown): value is string => typeof value === "string";

const plainElement = /^[A-Za-z0-9_.:+-]+$/;

function arrayText(values: readonly unknown[], parameter: number): string {
  // Vectors of thousands of texts, with nothing to escape: two joins cost a tenth of looking at each element.
  if (values.length > 0 && values.every(isText) && !escaped.test(values.join(""))) return `{"${values.join('","')}"}`;
  const parts = values.map((value) => {
    if (value === null) return "NULL";
    const text = scalarText(value, parameter);
    if (plainElement.test(text) && text.toUpperCase() !== "NULL") return text;
    return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  });
  return `{${parts.join(",")}}`;
}

function dateText(value: Date, parameter: number): string {
  const timeMs = value.getTime();
  if (Number.isNaN(timeMs)) throw new HayloftError("sql-failed", { sqlstate: "22008", parameter });
  const year = value.getUTCFullYear();
  // toISOString writes years outside 0–9999 with a sign and six digits, which Postgres does not read.
  const rest = value
    .toISOString()
    .slice(year < 0 || year > 9999 ? 7 : 4, -1)
    .replace("T", " ");
  const shownYear = String(year > 0 ? year : 1 - year).padStart(4, "0");
  return `${shownYear}${rest}000+00${year > 0 ? "" : " BC"}`;
}
