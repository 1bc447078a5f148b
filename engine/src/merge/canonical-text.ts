import type { SqlType } from "../catalog/column.ts";

const canonical: Readonly<Partial<Record<SqlType["kind"], RegExp>>> = {
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  integer: /^(?:0|-?[1-9]\d{0,9})$/,
  bigint: /^(?:0|-?[1-9]\d{0,18})$/,
  numeric: /^-?\d{1,1000}(?:\.\d{1,1000})?$/,
  boolean: /^(?:true|false)$/,
  date: /^\d{4,7}-\d\d-\d\d(?: BC)?$/,
  timestamptz: /^\d{4,7}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00(?: BC)?$/,
};

const integerMax: Readonly<Partial<Record<SqlType["kind"], bigint>>> = { integer: 2n ** 31n, bigint: 2n ** 63n };

/** True for a calendar day that exists. */
function isDay(value: string): boolean {
  const [, year = "", month = "", day = ""] = /^(\d+)-(\d\d)-(\d\d)/.exec(value) ?? [];
  const leap = Number(year) % 4 === 0 && (Number(year) % 100 !== 0 || Number(year) % 400 === 0);
  const days = [31, leap || value.endsWith(" BC") ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return Number(day) >= 1 && Number(day) <= (days[Number(month) - 1] ?? 0) && Number(year) >= 1 && Number(year) <= 5_874_000;
}

function isTimeOfDay(value: string): boolean {
  const [, hour = "99", minute = "99", second = "99"] = / (\d\d):(\d\d):(\d\d)/.exec(value) ?? [];
  return Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60 && Number(value.slice(0, value.indexOf("-"))) < 294_000;
}

/**
 * True when the text is what Postgres prints for a value of the type, so that it can be stored, and two texts are equal when the
 * values are. Not for double and jsonb, which have no one text form.
 */
export function isCanonicalText(type: SqlType, value: string): boolean {
  if (type.kind === "text") return !value.includes("\0") && !/\p{Surrogate}/u.test(value);
  const pattern = canonical[type.kind];
  if (pattern === undefined || !pattern.test(value)) return false;
  const max = integerMax[type.kind];
  if (max !== undefined) return BigInt(value) >= -max && BigInt(value) < max;
  if (type.kind === "date") return isDay(value);
  return type.kind !== "timestamptz" || (isDay(value) && isTimeOfDay(value));
}
