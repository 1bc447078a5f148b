import { decode, encode } from "cborg";
import { HayloftError } from "../error/hayloft-error.ts";
import { invalid } from "./invalid.ts";

/** What a frame is made of between its fields and its bytes. Integers outside the safe range are `bigint`. */
export type WireValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly WireValue[]
  | { readonly [key: string]: WireValue };

const fatalUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Definite lengths, shortest integers, map keys sorted: the same value always gives the same bytes. */
export const encodeCbor = (value: WireValue): Uint8Array => encode(value);

/**
 * Decodes one CBOR item that fills `bytes`. Throws `frame-invalid` for anything but the subset of `PROTOCOL.md`:
 * indefinite lengths, tags, `undefined` and other simple values, integers not in shortest form, duplicate or
 * non-text keys, text that is not UTF-8, nesting above `depthMax`, bytes left over.
 */
export function decodeCbor(bytes: Uint8Array, depthMax: number): WireValue {
  checkStructure(bytes, depthMax);
  try {
    const value: WireValue = decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    });
    return value;
  } catch (error) {
    // The library's message may quote the content, so it goes no further than the cause's absence.
    if (error instanceof HayloftError) throw error;
    throw invalid("", "deterministic CBOR");
  }
}

/**
 * Walks the items without recursion or allocation by content, so that depth and lengths are bounded before anything is
 * built. Each open array or map holds the number of items it still lacks.
 */
function checkStructure(bytes: Uint8Array, depthMax: number): void {
  const lacking: number[] = [1];
  let at = 0;
  while (lacking.length > 0) {
    const top = lacking.length - 1;
    const left = lacking[top] ?? 0;
    if (left === 0) {
      lacking.pop();
      continue;
    }
    lacking[top] = left - 1;
    const head = readHead(bytes, at);
    at = head.next;
    if (head.major === 2 || head.major === 3) {
      if (head.argument > bytes.length - at) throw invalid("", "a whole CBOR item");
      if (head.major === 3) checkUtf8(bytes.subarray(at, at + head.argument));
      at += head.argument;
    } else if (head.major === 4 || head.major === 5) {
      const items = head.major === 4 ? head.argument : head.argument * 2;
      // Every item takes at least one byte.
      if (items > bytes.length - at) throw invalid("", "a whole CBOR item");
      if (lacking.length > depthMax) throw invalid("", `at most ${String(depthMax)} levels of nesting`);
      lacking.push(items);
    }
  }
  if (at !== bytes.length) throw invalid("", "nothing after the frame");
}

function readHead(bytes: Uint8Array, at: number): { readonly major: number; readonly argument: number; readonly next: number } {
  const first = bytes[at];
  if (first === undefined) throw invalid("", "a whole CBOR item");
  const major = first >> 5;
  const minor = first & 31;
  if (major === 6) throw invalid("", "no tags");
  if (major === 7 && !(minor >= 20 && minor <= 22) && !(minor >= 25 && minor <= 27))
    throw invalid("", "true, false, null or a float");
  if (minor < 24) return { major, argument: minor, next: at + 1 };
  if (minor > 27) throw invalid("", "definite lengths");
  const size = 1 << (minor - 24);
  if (at + 1 + size > bytes.length) throw invalid("", "a whole CBOR item");
  let argument = 0;
  for (let index = at + 1; index <= at + size; index += 1) argument = argument * 256 + (bytes[index] ?? 0);
  return { major, argument, next: at + 1 + size };
}

function checkUtf8(bytes: Uint8Array): void {
  try {
    fatalUtf8.decode(bytes);
  } catch {
    throw invalid("", "text in UTF-8");
  }
}
