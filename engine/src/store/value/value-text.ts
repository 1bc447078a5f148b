import { fromHex } from "../../platform/byte-text.ts";
import { HayloftError } from "../../error/hayloft-error.ts";

/** Reads the text form of one value; text is never null here. */
export type TextReader = (text: string) => unknown;

const readText: TextReader = (text) => text;
const readBoolean: TextReader = (text) => text === "t";
const readNumber: TextReader = (text) => Number(text);
const readJson: TextReader = (text) => JSON.parse(text) as unknown;

function readInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new HayloftError("sql-failed", { sqlstate: "22003", type: "int8" });
  return value;
}

function readBytes(text: string): Uint8Array {
  return fromHex(text.slice(2));
}

const timestampPattern = /^(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-]\d\d)(?::(\d\d))?( BC)?$/;

function readTimestamp(text: string): Date {
  const match = timestampPattern.exec(text);
  // "infinity" has no Date; saying so is better than an invalid Date that fails far from here.
  if (match === null) throw new HayloftError("sql-failed", { sqlstate: "22008", type: "timestamptz" });
  const [, years, month, day, hour, minute, second, fraction = "", zoneHour = "+00", zoneMinute = "00", era] = match;
  const year = era === undefined ? Number(years) : 1 - Number(years);
  const date = new Date(0);
  date.setUTCFullYear(year, Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, "0").slice(0, 3)));
  const zoneMin = Math.abs(Number(zoneHour)) * 60 + Number(zoneMinute);
  if (zoneMin !== 0) date.setTime(date.getTime() - (zoneHour.startsWith("-") ? -zoneMin : zoneMin) * 60_000);
  return date;
}

/** An array's text form as nested JavaScript arrays; elements are read by `element`, SQL nulls are null. */
function readArray(text: string, element: TextReader): unknown[] {
  // Arrays with bounds other than 1 start with "[l:u]=".
  let at = text.startsWith("[") ? text.indexOf("=") + 1 : 0;
  const level = (): unknown[] => {
    const items: unknown[] = [];
    at += 1;
    while (at < text.length && text.charAt(at) !== "}") {
      const next = text.charAt(at);
      if (next === ",") at += 1;
      else if (next === "{") items.push(level());
      else if (next === '"') items.push(element(quoted()));
      else items.push(bare());
    }
    at += 1;
    return items;
  };
  const quoted = (): string => {
    let value = "";
    at += 1;
    while (text.charAt(at) !== '"') {
      if (text.charAt(at) === "\\") at += 1;
      value += text.charAt(at);
      at += 1;
    }
    at += 1;
    return value;
  };
  const bare = (): unknown => {
    const start = at;
    while (text.charAt(at) !== "," && text.charAt(at) !== "}") at += 1;
    const value = text.slice(start, at);
    return value === "NULL" ? null : element(value);
  };
  return level();
}

/** [type oid, array type oid, reader] of every built-in type whose value is not its text. */
const readers: readonly (readonly [number, number, TextReader])[] = [
  [16, 1000, readBoolean],
  [17, 1001, readBytes],
  [20, 1016, readInt8],
  [21, 1005, readNumber],
  [23, 1007, readNumber],
  [26, 1028, readNumber],
  [700, 1021, readNumber],
  [701, 1022, readNumber],
  [114, 199, readJson],
  [3802, 3807, readJson],
  [1184, 1185, readTimestamp],
  // The array types of types that stay text: char, name, text, bpchar, varchar, date, time, timestamp, timetz, interval, numeric, uuid, xid8.
  ...[1002, 1003, 1009, 1014, 1015, 1182, 1183, 1115, 1270, 1187, 1231, 2951, 271].map((array) => [0, array, readText] as const),
];

const readerByType = new Map<number, TextReader>();
for (const [type, arrayType, reader] of readers) {
  if (type !== 0) readerByType.set(type, reader);
  readerByType.set(arrayType, (text) => readArray(text, reader));
}

/** The reader for a type; types not named by the port stay text. */
export function readerOf(typeOid: number): TextReader {
  return readerByType.get(typeOid) ?? readText;
}
