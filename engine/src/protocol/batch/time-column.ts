import { invalid } from "../invalid.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { readSteps, stepsFit, writeSteps } from "./number-column.ts";
import { cutAscii } from "./text-column.ts";

const ZERO = 48;
const DASH = 45;
const SPACE = 32;
const COLON = 58;
const POINT = 46;
const PLUS = 43;
const DAY_SECONDS = 86_400;
const DATE_CHARACTERS = 10;
/** `2026-11-23 14:00:00.123456+00`. */
const TIMESTAMP_CHARACTERS_MAX = 29;
/** Days from 1970-01-01 to 0001-01-01 and to 9999-12-31. */
const DAY_MIN = -719_162;
const DAY_MAX = 2_932_896;

/** Digits `at` … `at + count`, or NaN when one is not a digit. */
function digitsAt(value: string, at: number, count: number): number {
  let number = 0;
  for (let index = at; index < at + count; index += 1) {
    const digit = value.charCodeAt(index) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Days since 1970-01-01 of the date that `value` begins with, or NaN when it is not a date from 0001 to 9999. */
function dayOf(value: string): number {
  if (value.charCodeAt(4) !== DASH || value.charCodeAt(7) !== DASH) return Number.NaN;
  const year = digitsAt(value, 0, 4);
  const month = digitsAt(value, 5, 2);
  const day = digitsAt(value, 8, 2);
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  if (day > (month === 2 && isLeap(year) ? 29 : (monthDays[month - 1] ?? 0))) return Number.NaN;
  // Years that begin in March, so that the leap day is the last: Howard Hinnant, days_from_civil.
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function writeTwo(text: Uint8Array, at: number, number: number): void {
  const tens = (number / 10) | 0;
  text[at] = ZERO + tens;
  text[at + 1] = ZERO + number - tens * 10;
}

/** Writes `YYYY-MM-DD`. */
function writeDay(text: Uint8Array, at: number, day: number): void {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  writeTwo(text, at, Math.floor(year / 100));
  writeTwo(text, at + 2, year % 100);
  text[at + 4] = DASH;
  writeTwo(text, at + 5, month);
  text[at + 7] = DASH;
  writeTwo(text, at + 8, dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1);
}

/** Dates `YYYY-MM-DD` from 0001 to 9999. Returns false, with nothing written, when a value has another form. */
export function writeDates(writer: ByteWriter, values: readonly string[]): boolean {
  const days = new Float64Array(values.length);
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? "";
    const day = value.length === DATE_CHARACTERS ? dayOf(value) : Number.NaN;
    if (Number.isNaN(day)) return false;
    days[index] = day;
  }
  writeSteps(writer, days);
  return true;
}

export function readDates(reader: ByteReader, count: number): string[] {
  const days = readSteps(reader, count);
  const text = new Uint8Array(count * DATE_CHARACTERS);
  const ends = new Uint32Array(count);
  for (let index = 0; index < count; index += 1) {
    const day = days[index] ?? 0;
    checkDay(day);
    writeDay(text, index * DATE_CHARACTERS, day);
    ends[index] = (index + 1) * DATE_CHARACTERS;
  }
  return cutAscii(text, ends);
}

function checkDay(day: number): void {
  if (day < DAY_MIN || day > DAY_MAX) throw invalid("body", "a date from 0001 to 9999");
}

/**
 * Timestamps with time zone in the form that Postgres prints in UTC: `2026-11-23 14:00:00.123+00`, the fraction without
 * needless zeros, from 0001 to 9999. They travel as steps in the coarsest of seconds, milliseconds and microseconds that
 * fits all. Returns false, with nothing written, when a value has another form or is too far from 1970 for its unit.
 */
export function writeTimestamps(writer: ByteWriter, values: readonly string[]): boolean {
  const count = values.length;
  const seconds = new Float64Array(count);
  const micros = new Float64Array(count);
  let fractionDigits = 0;
  let knownDate = "";
  let knownDay = 0;
  for (let index = 0; index < count; index += 1) {
    const value = values[index] ?? "";
    const date = value.substring(0, DATE_CHARACTERS);
    if (date !== knownDate) {
      knownDay = dayOf(value);
      if (Number.isNaN(knownDay)) return false;
      knownDate = date;
    }
    const second = secondOfDay(value);
    const digits = fractionDigitsOf(value);
    if (second < 0 || digits < 0) return false;
    seconds[index] = knownDay * DAY_SECONDS + second;
    if (digits > 0) {
      micros[index] = digitsAt(value, 20, digits) * 10 ** (6 - digits);
      if (digits > fractionDigits) fractionDigits = digits;
    }
  }
  const unit = fractionDigits === 0 ? 0 : fractionDigits <= 3 ? 3 : 6;
  const perSecond = 10 ** unit;
  for (let index = 0; index < count; index += 1) {
    seconds[index] = (seconds[index] ?? 0) * perSecond + (micros[index] ?? 0) / 10 ** (6 - unit);
  }
  if (!stepsFit(seconds)) return false;
  writer.byte(unit);
  writeSteps(writer, seconds);
  return true;
}

/** Seconds since midnight, or -1 when the value is not ` HH:MM:SS` behind its date. */
function secondOfDay(value: string): number {
  if (value.charCodeAt(10) !== SPACE || value.charCodeAt(13) !== COLON || value.charCodeAt(16) !== COLON) return -1;
  const hour = digitsAt(value, 11, 2);
  const minute = digitsAt(value, 14, 2);
  const second = digitsAt(value, 17, 2);
  return hour <= 23 && minute <= 59 && second <= 59 ? hour * 3600 + minute * 60 + second : -1;
}

/** Digits of the fraction (0 to 6), or -1 when the value does not end as Postgres prints it in UTC. */
function fractionDigitsOf(value: string): number {
  const length = value.length;
  if (value.charCodeAt(length - 3) !== PLUS || value.charCodeAt(length - 2) !== ZERO || value.charCodeAt(length - 1) !== ZERO)
    return -1;
  if (length === 22) return 0;
  const digits = length - 23;
  if (digits < 1 || digits > 6 || value.charCodeAt(19) !== POINT || value.charCodeAt(length - 4) === ZERO) return -1;
  return Number.isNaN(digitsAt(value, 20, digits)) ? -1 : digits;
}

export function readTimestamps(reader: ByteReader, count: number): string[] {
  const unit = reader.byte();
  if (unit !== 0 && unit !== 3 && unit !== 6) throw invalid("body", "a unit of 0, 3 or 6 digits");
  const times = readSteps(reader, count);
  const text = new Uint8Array(count * TIMESTAMP_CHARACTERS_MAX);
  const ends = new Uint32Array(count);
  const perSecond = 10 ** unit;
  const perDay = DAY_SECONDS * perSecond;
  let at = 0;
  let knownDay = Number.NaN;
  let knownAt = 0;
  for (let index = 0; index < count; index += 1) {
    const time = times[index] ?? 0;
    const day = Math.floor(time / perDay);
    if (day === knownDay) {
      text.copyWithin(at, knownAt, knownAt + DATE_CHARACTERS);
    } else {
      checkDay(day);
      writeDay(text, at, day);
      knownDay = day;
      knownAt = at;
    }
    at = writeTime(text, at + DATE_CHARACTERS, time - day * perDay, unit, perSecond);
    ends[index] = at;
  }
  return cutAscii(text.subarray(0, at), ends);
}

/** Writes ` HH:MM:SS[.fraction]+00`; returns where it ends. */
function writeTime(text: Uint8Array, start: number, time: number, unit: number, perSecond: number): number {
  const second = Math.floor(time / perSecond);
  const minute = (second / 60) | 0;
  const hour = (minute / 60) | 0;
  text[start] = SPACE;
  writeTwo(text, start + 1, hour);
  text[start + 3] = COLON;
  writeTwo(text, start + 4, minute - hour * 60);
  text[start + 6] = COLON;
  writeTwo(text, start + 7, second - minute * 60);
  let at = start + 9;
  let fraction = time - second * perSecond;
  if (fraction > 0) {
    text[at] = POINT;
    for (let digit = unit; digit >= 1; digit -= 1) {
      const next = (fraction / 10) | 0;
      text[at + digit] = ZERO + fraction - next * 10;
      fraction = next;
    }
    at += unit + 1;
    while (text[at - 1] === ZERO) at -= 1;
  }
  text[at] = PLUS;
  text[at + 1] = ZERO;
  text[at + 2] = ZERO;
  return at + 3;
}
