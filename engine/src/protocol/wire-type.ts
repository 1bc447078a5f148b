import type { WireValue } from "./cbor.ts";
import { invalid, tooLarge } from "./invalid.ts";
import type { ProtocolLimits } from "./limits.ts";

/**
 * One field's form: how a value becomes CBOR and how it is checked and taken back. Both directions throw `frame-invalid`
 * with the field's path and what is expected there.
 */
export interface WireType<T> {
  /** What is expected, in words; also the field's entry in the wire schema that a test holds fast. */
  readonly expected: string;
  readonly toWire: (value: T, path: string, limits: ProtocolLimits) => WireValue;
  readonly fromWire: (value: WireValue | undefined, path: string, limits: ProtocolLimits) => T;
  /** True for a field that may be missing; see `optional`. */
  readonly isOptional?: true;
}

/** A type whose CBOR value is the value itself, checked the same way in both directions. */
function plain<T extends WireValue>(expected: string, holds: (value: WireValue | undefined) => value is T): WireType<T> {
  const check = (value: WireValue | undefined, path: string): T => {
    if (!holds(value)) throw invalid(path, expected);
    return value;
  };
  return { expected, toWire: check, fromWire: check };
}

// A character takes at most three bytes per UTF-16 unit, so most texts need no counting.
const encoder = new TextEncoder();
const fits = (value: string, bytesMax: number): boolean =>
  value.length <= bytesMax && (value.length * 3 <= bytesMax || encoder.encode(value).length <= bytesMax);

export const text = (bytesMax: number, bytesMin = 0): WireType<string> =>
  plain(
    `text of ${String(bytesMin)} to ${String(bytesMax)} bytes`,
    (value): value is string => typeof value === "string" && value.length >= bytesMin && fits(value, bytesMax),
  );

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const uuid = plain("lower-case uuid", (value): value is string => typeof value === "string" && uuidPattern.test(value));

/** A safe integer that is not negative. */
export const count = (max: number = Number.MAX_SAFE_INTEGER): WireType<number> =>
  plain(
    max === Number.MAX_SAFE_INTEGER ? "unsigned integer" : `unsigned integer up to ${String(max)}`,
    (value): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max,
  );

export const flag = plain("true or false", (value): value is boolean => typeof value === "boolean");

export const bytes = (size: number): WireType<Uint8Array> =>
  plain(`${String(size)} bytes`, (value): value is Uint8Array => value instanceof Uint8Array && value.length === size);

/** A byte string of any length up to `max`. */
export const byteString = (max: number): WireType<Uint8Array> =>
  plain(`up to ${String(max)} bytes`, (value): value is Uint8Array => value instanceof Uint8Array && value.length <= max);

export const oneOf = <const Values extends readonly string[]>(...values: Values): WireType<Values[number]> =>
  plain(values.join(" | "), (value): value is Values[number] => typeof value === "string" && values.includes(value));

/** A hybrid logical clock's stamp: an integer of 63 bits. */
export const stamp: WireType<bigint> = {
  expected: "unsigned integer of 63 bits",
  toWire: (value, path) => checkStamp(value, path),
  fromWire: (value, path) => checkStamp(typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value, path),
};

function checkStamp(value: WireValue | undefined, path: string): bigint {
  if (typeof value !== "bigint" || value < 0n || value >= 2n ** 63n) throw invalid(path, stamp.expected);
  return value;
}

export const nullable = <T>(inner: WireType<T>): WireType<T | null> => ({
  expected: `${inner.expected} | null`,
  toWire: (value, path, limits) => (value === null ? null : inner.toWire(value, path, limits)),
  fromWire: (value, path, limits) => (value === null ? null : inner.fromWire(value, path, limits)),
});

/** A field of a record that may be missing, because peers that do not know it leave it out. */
export const optional = <T>(inner: WireType<T>): WireType<T | undefined> => ({
  expected: `${inner.expected} or nothing`,
  toWire: (value, path, limits) => (value === undefined ? null : inner.toWire(value, path, limits)),
  fromWire: inner.fromWire,
  isOptional: true,
});

/** An array; more than `max` items are `frame-too-large`. */
export const list = <T>(inner: WireType<T>, max: number, limitName: string): WireType<readonly T[]> => ({
  expected: `array of up to ${String(max)} [${inner.expected}]`,
  toWire: (value, path, limits) => {
    if (value.length > max) throw tooLarge(limitName, max);
    return value.map((item) => inner.toWire(item, `${path}[]`, limits));
  },
  fromWire: (value, path, limits) => {
    if (!Array.isArray(value)) throw invalid(path, "an array");
    const items: readonly WireValue[] = value;
    if (items.length > max) throw tooLarge(limitName, max);
    return items.map((item) => inner.fromWire(item, `${path}[]`, limits));
  },
});

/** The fields of `T`, each with its type. */
export type Fields<T> = { readonly [Name in keyof T]-?: WireType<T[Name]> };

export type WireMap = Readonly<Record<string, WireValue>>;

export function asMap(value: WireValue | undefined, path: string): WireMap {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw invalid(path, "a map");
  // What is left of the union after the checks; the compiler cannot tell a read-only array apart.
  return value as WireMap;
}

/** A map with the given fields. Others are ignored, so that a newer peer may add optional ones. */
export function record<T extends object>(fields: Fields<T>): WireType<T> {
  const entries = Object.entries<WireType<unknown>>(fields as Readonly<Record<string, WireType<unknown>>>);
  return {
    expected: `map {${entries.map(([name, field]) => `${name}: ${field.expected}`).join(", ")}}`,
    toWire: (value, path, limits) => {
      const from = value as Readonly<Record<string, unknown>>;
      const to: Record<string, WireValue> = {};
      for (const [name, field] of entries) {
        if (field.isOptional === true && from[name] === undefined) continue;
        to[name] = field.toWire(from[name], join(path, name), limits);
      }
      return to;
    },
    fromWire: (value, path, limits) => {
      const from = asMap(value, path);
      const to: Record<string, unknown> = {};
      for (const [name, field] of entries) {
        // Only own fields: a map that lacks one must not find `constructor` on the prototype.
        const has = Object.hasOwn(from, name);
        if (!has && field.isOptional === true) continue;
        to[name] = field.fromWire(has ? from[name] : undefined, join(path, name), limits);
      }
      return to as T;
    },
  };
}

const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

/** A map from names to values of one type. */
export const dictionary = <T>(inner: WireType<T>, max: number, keyBytesMax: number): WireType<Readonly<Record<string, T>>> => ({
  expected: `map of up to ${String(max)} [text of up to ${String(keyBytesMax)} bytes: ${inner.expected}]`,
  toWire: (value, path, limits) => {
    const entries = Object.entries(value);
    checkKeys(
      entries.map(([key]) => key),
      path,
      max,
      keyBytesMax,
    );
    return Object.fromEntries(entries.map(([key, item]) => [key, inner.toWire(item, `${path}.*`, limits)]));
  },
  fromWire: (value, path, limits) => {
    const entries = Object.entries(asMap(value, path));
    checkKeys(
      entries.map(([key]) => key),
      path,
      max,
      keyBytesMax,
    );
    return Object.fromEntries(entries.map(([key, item]) => [key, inner.fromWire(item, `${path}.*`, limits)]));
  },
});

function checkKeys(keys: readonly string[], path: string, max: number, keyBytesMax: number): void {
  if (keys.length > max) throw invalid(path, `at most ${String(max)} entries`);
  if (!keys.every((key) => fits(key, keyBytesMax))) throw invalid(path, `keys of at most ${String(keyBytesMax)} bytes`);
}
