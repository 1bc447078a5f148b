import { invalid } from "../invalid.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { SIGNED_END } from "./byte-writer.ts";
import { readNumbers, readSteps, stepsAreShorter, stepsFit, writeNumbers, writeSteps } from "./number-column.ts";
import { cutAscii } from "./text-column.ts";

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const DIGITS_MAX = 15;
/** Sign, 16 digits or 15 behind a nought, point. */
const CHARACTERS_MAX = 20;
const STEPS = 1;
const TRIMMED = 2;

interface Decimals {
  /** Digits without the point, as written. */
  readonly mantissas: Float64Array;
  readonly scales: Uint8Array;
  readonly scaleMax: number;
  readonly isFixed: boolean;
}

/**
 * Decimal numbers in the form that Postgres prints. Either every value has the same number of digits after the point
 * (numeric(p, s), integers), or none ends in a needless zero (double precision). Returns false, with nothing written,
 * when a value has another form (leading zeros, exponents, `-0`, `NaN`, more than 15 digits) or the two are mixed.
 */
export function writeDecimals(writer: ByteWriter, values: readonly string[]): boolean {
  const parsed = parseDecimals(values);
  if (parsed === null) return false;
  const numbers = parsed.mantissas;
  if (!parsed.isFixed && !alignScales(parsed)) return false;
  const zeros = removeCommonZeros(numbers);
  const asSteps = stepsAreShorter(numbers);
  if (!stepsFit(numbers)) return false;
  writer.byte((asSteps ? STEPS : 0) | (parsed.isFixed ? 0 : TRIMMED));
  writer.byte(parsed.scaleMax);
  writer.byte(zeros);
  if (asSteps) writeSteps(writer, numbers);
  else writeNumbers(writer, numbers);
  return true;
}

function parseDecimals(values: readonly string[]): Decimals | null {
  const mantissas = new Float64Array(values.length);
  const scales = new Uint8Array(values.length);
  let scaleMax = 0;
  let scaleMin = DIGITS_MAX;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? "";
    const length = value.length;
    const start = value.charCodeAt(0) === MINUS ? 1 : 0;
    if (length - start > DIGITS_MAX + 1) return null;
    let mantissa = 0;
    let point = -1;
    for (let at = start; at < length; at += 1) {
      const code = value.charCodeAt(at) - ZERO;
      if (code >= 0 && code <= 9) mantissa = mantissa * 10 + code;
      else if (code === POINT - ZERO && point < 0) point = at;
      else return null;
    }
    const whole = (point < 0 ? length : point) - start;
    const scale = point < 0 ? 0 : length - point - 1;
    // No digit before or after the point, a leading zero, a minus before nought, too many digits.
    if (whole < 1 || (point >= 0 && scale === 0) || (whole > 1 && value.charCodeAt(start) === ZERO)) return null;
    if ((mantissa === 0 && start === 1) || whole + scale > DIGITS_MAX) return null;
    mantissas[index] = start === 1 ? -mantissa : mantissa;
    scales[index] = scale;
    if (scale > scaleMax) scaleMax = scale;
    if (scale < scaleMin) scaleMin = scale;
  }
  return { mantissas, scales, scaleMax, isFixed: scaleMin === scaleMax };
}

/** Brings all mantissas to the greatest scale. False when a fraction ends in a zero or a mantissa grows too large. */
function alignScales({ mantissas, scales, scaleMax }: Decimals): boolean {
  for (let index = 0; index < mantissas.length; index += 1) {
    const mantissa = mantissas[index] ?? 0;
    const scale = scales[index] ?? 0;
    if (scale > 0 && mantissa % 10 === 0) return false;
    const aligned = mantissa * 10 ** (scaleMax - scale);
    if (aligned >= SIGNED_END || aligned <= -SIGNED_END) return false;
    mantissas[index] = aligned;
  }
  return true;
}

/** Divides by the greatest power of ten that divides all numbers; returns its exponent. */
function removeCommonZeros(numbers: Float64Array): number {
  let zeros = DIGITS_MAX;
  let power = 10 ** zeros;
  let anyNonzero = false;
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index] ?? 0;
    if (number === 0) continue;
    anyNonzero = true;
    while (number % power !== 0) {
      zeros -= 1;
      power = 10 ** zeros;
    }
    if (zeros === 0) return 0;
  }
  if (!anyNonzero) return 0;
  for (let index = 0; index < numbers.length; index += 1) numbers[index] = (numbers[index] ?? 0) / power;
  return zeros;
}

export function readDecimals(reader: ByteReader, count: number): string[] {
  const flags = reader.byte();
  const scale = reader.byte();
  const zeros = reader.byte();
  if (flags > (STEPS | TRIMMED) || scale > DIGITS_MAX || zeros > DIGITS_MAX) throw invalid("body", "a decimal column");
  const numbers = (flags & STEPS) === 0 ? readNumbers(reader, count) : readSteps(reader, count);
  const text = new Uint8Array(count * CHARACTERS_MAX);
  const ends = new Uint32Array(count);
  const power = 10 ** zeros;
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const number = (numbers[index] ?? 0) * power;
    if (number >= SIGNED_END || number <= -SIGNED_END) throw invalid("body", "numbers within their range");
    at = writeDigits(text, at, number, scale);
    if ((flags & TRIMMED) !== 0 && scale > 0) at = trimZeros(text, at);
    ends[index] = at;
  }
  return cutAscii(text.subarray(0, at), ends);
}

/** Writes `number` / 10^`scale` in decimal with all digits of its fraction; returns where the text ends. */
function writeDigits(text: Uint8Array, start: number, number: number, scale: number): number {
  let at = start;
  let rest = number;
  if (number < 0) {
    text[at] = MINUS;
    at += 1;
    rest = -number;
  }
  let length = 1;
  for (let bound = 10; bound <= rest; bound *= 10) length += 1;
  if (length <= scale) length = scale + 1;
  const end = at + length + (scale > 0 ? 1 : 0);
  let to = end - 1;
  for (let digit = 0; digit < length; digit += 1) {
    if (digit === scale && scale > 0) {
      text[to] = POINT;
      to -= 1;
    }
    const next = rest < 0x8000_0000 ? (rest / 10) | 0 : Math.floor(rest / 10);
    text[to] = ZERO + (rest - next * 10);
    to -= 1;
    rest = next;
  }
  return end;
}

function trimZeros(text: Uint8Array, end: number): number {
  let at = end;
  while (text[at - 1] === ZERO) at -= 1;
  return text[at - 1] === POINT ? at - 1 : at;
}
