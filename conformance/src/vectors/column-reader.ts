import { Refused } from "./cbor-reader.ts";

// Columns of a body, read from PROTOCOL.md alone; slow and plain on purpose. Imports nothing of the engine.

export type Cell = string | null;

/** Reads a body's primitives from the front. */
export class BodyReader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) throw new Refused("truncated");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  unsigned(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const next = this.byte();
      value |= BigInt(next & 127) << shift;
      if (next >= 128) continue;
      if ((next === 0 && shift > 0n) || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refused("integer");
      return Number(value);
    }
  }

  signed(): number {
    const value = BigInt(this.unsigned());
    return Number(value % 2n === 0n ? value / 2n : -(value + 1n) / 2n);
  }

  text(): string {
    return utf8(this.take(this.unsigned()));
  }

  uuid(): string {
    return uuidText([...this.take(16)]);
  }
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("not UTF-8");
  }
}

function uuidText(bytes: readonly number[]): string {
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

const repeat = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

function sums(reader: BodyReader, count: number): number[] {
  let last = 0;
  return repeat(count, () => {
    last += reader.signed();
    return last;
  });
}

function texts(reader: BodyReader, count: number): string[] {
  const lengths = repeat(count, () => reader.unsigned());
  return lengths.map((length) => utf8(reader.take(length)));
}

function decimals(reader: BodyReader, count: number): string[] {
  const flags = reader.byte();
  const scale = reader.byte();
  const zeros = reader.byte();
  const numbers = (flags & 1) === 1 ? sums(reader, count) : repeat(count, () => reader.signed());
  return numbers.map((number) => {
    const value = BigInt(number) * 10n ** BigInt(zeros);
    const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
    const whole = digits.slice(0, digits.length - scale);
    const fraction = digits.slice(digits.length - scale);
    const shown = (flags & 2) === 2 ? fraction.replace(/0+$/, "") : fraction;
    return `${value < 0n ? "-" : ""}${whole}${shown === "" ? "" : `.${shown}`}`;
  });
}

function timestamps(reader: BodyReader, count: number): string[] {
  const unit = reader.byte();
  const perSecond = 10n ** BigInt(unit);
  return sums(reader, count).map((time) => {
    const fraction = ((BigInt(time) % perSecond) + perSecond) % perSecond;
    const second = Number((BigInt(time) - fraction) / perSecond);
    const digits = fraction === 0n ? "" : `.${String(fraction).padStart(unit, "0").replace(/0+$/, "")}`;
    return `${new Date(second * 1000).toISOString().slice(0, 19).replace("T", " ")}${digits}+00`;
  });
}

const dates = (reader: BodyReader, count: number): string[] =>
  sums(reader, count).map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10));

function uuids(reader: BodyReader, count: number): string[] {
  const planes = repeat(16, () => reader.take(count));
  return repeat(count, (index) => uuidText(planes.map((plane) => plane[index] ?? 0)));
}

function dictionary(reader: BodyReader, count: number): string[] {
  const words = texts(reader, reader.unsigned());
  return [...reader.take(count)].map((code) => {
    const word = words[code];
    if (word === undefined) throw new Refused("a word that is not there");
    return word;
  });
}

function valuesOf(reader: BodyReader, kind: number, count: number): string[] {
  if (kind === 1) {
    const value = reader.text();
    return repeat(count, () => value);
  }
  const read = [undefined, undefined, dictionary, uuids, decimals, timestamps, dates, texts][kind];
  if (read === undefined) throw new Refused("unknown kind of column");
  return read(reader, count);
}

/** One column of `count` cells; `earlier` are the columns of the block before it. */
export function readColumn(reader: BodyReader, count: number, earlier: readonly (readonly Cell[])[]): readonly Cell[] {
  const head = reader.byte();
  if (head === 0) return repeat(count, () => null);
  if (head === 8) {
    const column = earlier[reader.unsigned()];
    if (column === undefined) throw new Refused("a column that is not there");
    return column;
  }
  if (head < 128) return valuesOf(reader, head, count);
  const bitmap = reader.take(Math.ceil(count / 8));
  const isNull = repeat(count, (index) => (((bitmap[Math.floor(index / 8)] ?? 0) >> (index % 8)) & 1) === 1);
  const values = valuesOf(reader, head - 128, isNull.filter((flag) => !flag).length);
  let next = 0;
  return isNull.map((flag) => (flag ? null : (values[next++] ?? null)));
}
