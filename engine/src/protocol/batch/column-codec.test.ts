import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CellText } from "../../commit/commit.ts";
import { HayloftError } from "../../error/hayloft-error.ts";
import { BodyBudget } from "./body-budget.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { COLUMN_KINDS, readColumn, writeColumn } from "./column-codec.ts";

const limits = { rowsMax: 1_000, cellsMax: 1_000, charactersMax: 100_000, commitsMax: 1 };

function encode(column: readonly CellText[], earlier: readonly (readonly CellText[])[] = []): Uint8Array {
  const writer = new ByteWriter(16);
  writeColumn(writer, column, earlier);
  return writer.finish().slice();
}

function decode(bytes: Uint8Array, count: number, earlier: readonly (readonly CellText[])[] = []): readonly CellText[] {
  const reader = new ByteReader(bytes);
  const column = readColumn(reader, count, earlier, new BodyBudget(limits));
  reader.end();
  return column;
}

const kindOf = (column: readonly CellText[]): number => (encode(column)[0] ?? 0) & 0x7f;

const hostile = [
  ["-0", "0", "-0.0", "0.0", "-0.00"],
  ["007", "7", "07.5"],
  ["1e20", "1E+20", "100000000000000000000"],
  ["NaN", "Infinity", "-Infinity", "1"],
  ["1.", ".5", "1.5"],
  ["1.50", "1.5", "2"],
  ["1.5", "10", "0.25", "100"],
  ["1000", "20000", "0", "-3000"],
  ["999999999999999", "-999999999999999", "0"],
  ["9007199254740993", "1"],
  ["4503599627370496", "-4503599627370496"],
  ["0.000000000000001", "1", "99999999999999"],
  ["+5", "5"],
  ["5 ", " 5"],
  ["٣", "3"],
  ["1.2.3", "1"],
  ["-", "1"],
  ["2026-11-23 14:00:00.123+00", "infinity", "-infinity"],
  ["2026-11-23 14:00:00+00", "2026-11-23 14:00:00.1+00", "2026-11-23 14:00:00.000001+00"],
  ["2026-11-23 14:00:00.5+00", "2026-11-23 14:00:01+00"],
  ["2026-11-23 14:00:00.512+00", "2026-11-23 14:00:01.5+00"],
  ["2026-11-23 14:00:00.5121+00", "2026-11-23 14:00:01.5+00"],
  ["2026-11-23 14:00:00.10+00", "2026-11-23 14:00:00.1+00"],
  ["2026-11-23 14:00:00.1234567+00", "2026-11-23 14:00:00+00"],
  ["2026-11-23 14:00:00+01", "2026-11-23 14:00:00+00"],
  ["2026-11-23 14:00:00+00:30", "2026-11-23 14:00:00+00"],
  ["0044-03-15 12:00:00+00 BC", "2026-11-23 14:00:00+00"],
  ["10000-01-01 00:00:00+00", "2026-11-23 14:00:00+00"],
  ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00", "1969-12-31 23:59:59.999+00"],
  [
    "1969-12-31 23:59:59.999999+00",
    "1970-01-01 00:00:00.000001+00",
    "2112-01-01 00:00:00.000001+00",
    "1600-01-01 00:00:00.000001+00",
  ],
  ["2024-02-29 00:00:00+00", "2023-02-29 00:00:00+00"],
  ["2024-02-29 24:00:00+00", "2024-02-29 23:59:60+00"],
  ["2026-11-23T14:00:00+00", "2026-11-23 14:00:00Z"],
  ["0001-01-01", "9999-12-31", "2000-02-29", "1900-02-28"],
  ["1900-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-04-31"],
  ["0000-01-01", "2026-01-01"],
  ["2026-11-23 BC", "2026-11-23"],
  ["0190163D-8694-739B-AEA5-966C26F8AD90", "0190163d-8694-739b-aea5-966c26f8ad91"],
  ["0190163d-8694-739b-aea5-966c26f8ad90", "0190163d-8694-739b-aea5-966c26f8ad9g"],
  ["0190163d-8694-739b-aea5-966c26f8ad90", "0190163d-8694-739b-aea5_966c26f8ad91"],
  ["0190163d-8694-739b-aea5-966c26f8ad90", "019\u01300163d-8694-739b-aea5-66c26f8ad9"],
  ["", "\u0000", "a\u0000b"],
  ["é", "e\u0301", "𝄞", "日本語", ""],
  ["t", "f", "t", "t", "f", "f", "t", "f", "t"],
  ['{"a": 1}', "{}", "[1,2]"],
  ["\\x00ff", "\\x"],
] as const;

describe("column codec", () => {
  it.each(hostile.map((values) => [JSON.stringify(values), values] as const))("gives back exactly %s", (_, values) => {
    expect(decode(encode(values), values.length)).toEqual(values);
    for (const value of values) {
      const column = [value, null, value, value];
      expect(decode(encode(column), 4)).toEqual(column);
      expect(decode(encode([value]), 1)).toEqual([value]);
    }
  });

  it("chooses the short form for what Postgres prints", () => {
    const many = (make: (index: number) => CellText): CellText[] => Array.from({ length: 64 }, (_, index) => make(index));
    expect(kindOf(many(() => null))).toBe(COLUMN_KINDS.none);
    expect(kindOf(many((index) => (index % 2 === 0 ? "acme" : null)))).toBe(COLUMN_KINDS.constant);
    expect(kindOf(many((index) => (index % 3 === 0 ? "t" : "f")))).toBe(COLUMN_KINDS.dictionary);
    expect(kindOf(many((index) => `0190163d-8694-739b-aea5-0000000000${String(index + 10)}`))).toBe(COLUMN_KINDS.uuid);
    expect(kindOf(many((index) => (index * 7.25).toFixed(4)))).toBe(COLUMN_KINDS.decimal);
    expect(kindOf(many((index) => String(index * 1.25)))).toBe(COLUMN_KINDS.decimal);
    expect(kindOf(many((index) => String(index - 9)))).toBe(COLUMN_KINDS.decimal);
    expect(kindOf(many((index) => `2026-11-23 14:00:${String(index % 60).padStart(2, "0")}.5+00`))).toBe(COLUMN_KINDS.timestamp);
    expect(kindOf(many((index) => `19${String(index + 10)}-11-23`))).toBe(COLUMN_KINDS.date);
    expect(kindOf(many((index) => `name ${String(index)}`))).toBe(COLUMN_KINDS.text);
  });

  it("writes a column that repeats an earlier one as its number", () => {
    const column = ["a", null, "c"];
    const bytes = encode([...column], [["x", "y", "z"], column]);
    expect([...bytes]).toEqual([COLUMN_KINDS.same, 1]);
    expect(decode(bytes, 3, [["x", "y", "z"], column])).toEqual(column);
  });

  const cells = (one: fc.Arbitrary<string>) => fc.array(fc.option(one, { nil: null, freq: 6 }), { maxLength: 300 });
  const pad = (number: number, size: number): string => String(number).padStart(size, "0");
  const timestampText = fc
    .tuple(
      fc.integer({ min: 0, max: 10_100 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 31 }),
      fc.integer({ min: 0, max: 999_999 }),
      fc.boolean(),
    )
    .map(([year, month, day, fraction, whole]) => {
      const digits = pad(fraction, 6).replace(/0+$/, "");
      return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)} ${pad(fraction % 24, 2)}:${pad(fraction % 60, 2)}:${pad(day, 2)}${whole || digits === "" ? "" : `.${digits}`}+00`;
    });
  const kinds: Readonly<Record<string, fc.Arbitrary<string>>> = {
    "any text": fc.string({ unit: "binary" }),
    uuids: fc.uuid(),
    integers: fc.maxSafeInteger().map(String),
    "fixed decimals": fc.double({ min: -1e9, max: 1e9, noNaN: true }).map((value) => value.toFixed(4)),
    "floating numbers": fc.double().map(String),
    "short floating numbers": fc.integer({ min: -100_000, max: 100_000 }).map((value) => String(value / 1000)),
    timestamps: timestampText,
    dates: timestampText.map((value) => value.slice(0, -15).slice(0, 10)),
    "few words": fc.constantFrom("temperature", "humidity", "é", "", "21.5"),
    "a mixture": fc.oneof(fc.uuid(), timestampText, fc.integer().map(String), fc.string({ unit: "grapheme" })),
  };
  it.each(Object.entries(kinds))("gives back exactly any column of %s", (_, one) => {
    fc.assert(
      fc.property(cells(one), (column) => {
        expect(decode(encode(column), column.length)).toEqual(column);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses half a surrogate pair instead of changing it", () => {
    expect(() => encode(["a\ud83d", "\ude00b"])).toThrow(HayloftError);
  });

  it("refuses a few bytes that would unfold to more characters than the limit", () => {
    const bytes = encode(Array.from({ length: 1_000 }, () => "x".repeat(101)));
    expect(bytes.length).toBeLessThan(200);
    expect(() => decode(bytes, 1_000)).toThrow(/frame-too-large/);
    const words = encode(Array.from({ length: 1_000 }, (_, index) => `${"x".repeat(101)}${String(index % 3)}`));
    expect(() => decode(words, 1_000)).toThrow(/frame-too-large/);
    const column = Array.from({ length: 600 }, () => "x".repeat(101));
    expect(() => decode(Uint8Array.from([COLUMN_KINDS.same, 0]), 600, [column, [...column]])).not.toThrow();
  });

  it("refuses text that is cut inside a character", () => {
    const bytes = Uint8Array.from([COLUMN_KINDS.text, 1, 1, 0xc3, 0xa9]);
    expect(() => decode(bytes, 2)).toThrow(/frame-invalid/);
  });
});
