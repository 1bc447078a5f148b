import fc from "fast-check";
import { expect, it } from "vitest";
import { eachDatabase } from "../testing/each-database.ts";
import type { Database, SqlParameter } from "./database.ts";

/** [type, text in SQL, JavaScript value]. */
const readings: readonly (readonly [string, string, unknown])[] = [
  ["boolean", "true", true],
  ["boolean", "false", false],
  ["int2", "-32768", -32768],
  ["int4", "2147483647", 2147483647],
  ["int8", "9007199254740991", Number.MAX_SAFE_INTEGER],
  ["int8", "-9007199254740991", Number.MIN_SAFE_INTEGER],
  ["float4", "1.5", 1.5],
  ["float8", "0.1", 0.1],
  ["float8", "-Infinity", -Infinity],
  ["float8", "NaN", NaN],
  ["numeric", "12345678901234567890.10", "12345678901234567890.10"],
  ["text", "Grüße 🐄", "Grüße 🐄"],
  ["text", "", ""],
  ["varchar(5)", "abc", "abc"],
  ["uuid", "0190b6c0-0000-7000-8000-000000000001", "0190b6c0-0000-7000-8000-000000000001"],
  ["date", "2024-02-29", "2024-02-29"],
  ["date", "infinity", "infinity"],
  ["time", "23:59:59.5", "23:59:59.5"],
  ["interval", "1 day 02:03:04", "1 day 02:03:04"],
  ["timestamp", "2024-02-29 10:00:00", "2024-02-29 10:00:00"],
  ["timestamptz", "2024-02-29 10:00:00.123456+02", new Date("2024-02-29T08:00:00.123Z")],
  ["timestamptz", "0001-01-01 00:00:00+00", new Date("0001-01-01T00:00:00Z")],
  ["timestamptz", "0044-03-15 00:00:00+00 BC", new Date("-000043-03-15T00:00:00Z")],
  ["timestamptz", "12345-01-01 00:00:00+00", new Date("+012345-01-01T00:00:00Z")],
  ["json", '{"a": [1, null, "x"]}', { a: [1, null, "x"] }],
  ["jsonb", "null", null],
  ["jsonb", '"text"', "text"],
  ["bytea", "\\x00ff5c27", new Uint8Array([0, 255, 92, 39])],
  ["bytea", "\\x", new Uint8Array([])],
  ["boolean[]", "{t,f,NULL}", [true, false, null]],
  ["int4[]", "{1,2,NULL}", [1, 2, null]],
  ["int8[]", "{9007199254740991}", [Number.MAX_SAFE_INTEGER]],
  [
    "int4[]",
    "{{1,2},{3,4}}",
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ["int4[]", "[0:1]={7,8}", [7, 8]],
  ["float8[]", "{0.1,Infinity}", [0.1, Infinity]],
  ["numeric[]", "{1.50,NULL}", ["1.50", null]],
  ["text[]", '{"a,b","{}","x\\"y\\\\z","NULL",NULL,""," "}', ["a,b", "{}", 'x"y\\z', "NULL", null, "", " "]],
  ["text[]", "{}", []],
  ["uuid[]", "{0190b6c0-0000-7000-8000-000000000001}", ["0190b6c0-0000-7000-8000-000000000001"]],
  ["date[]", "{2024-02-29}", ["2024-02-29"]],
  ["timestamptz[]", '{"2024-02-29 10:00:00+00"}', [new Date("2024-02-29T10:00:00Z")]],
  ["jsonb[]", '{"{\\"a\\": \\"b,}\\"}",NULL}', [{ a: "b,}" }, null]],
  ["bytea[]", '{"\\\\x01ff"}', [new Uint8Array([1, 255])]],
];

/** [type, parameter, the database's own text of it]. */
const writings: readonly (readonly [string, SqlParameter, string | null])[] = [
  ["boolean", true, "true"],
  ["int4", -7, "-7"],
  ["int8", 9223372036854775807n, "9223372036854775807"],
  ["float8", NaN, "NaN"],
  ["float8", 1e300, "1e+300"],
  ["numeric", "1.10", "1.10"],
  ["text", "x'; drop table t; --\\", "x'; drop table t; --\\"],
  ["text", null, null],
  ["jsonb", '{"a":1}', '{"a": 1}'],
  ["timestamptz", new Date("2024-02-29T10:00:00.123Z"), "2024-02-29 10:00:00.123+00"],
  ["timestamptz", new Date("+012345-01-01T00:00:00Z"), "12345-01-01 00:00:00+00"],
  ["timestamptz", new Date("-000043-03-15T00:00:00Z"), "0044-03-15 00:00:00+00 BC"],
  ["timestamptz", new Date("0000-06-01T00:00:00Z"), "0001-06-01 00:00:00+00 BC"],
  ["date", new Date("2024-02-29T23:59:59Z"), "2024-02-29"],
  ["bytea", new Uint8Array([0, 255, 92]), "\\x00ff5c"],
  ["bytea", new Uint8Array([9, 1, 2, 9]).subarray(1, 3), "\\x0102"],
  [
    "text[]",
    ["a,b", "{}", 'x"y\\z', "NULL", "null", null, "", " ", "🐄", "line\nbreak"],
    '{"a,b","{}","x\\"y\\\\z","NULL","null",NULL,""," ",🐄,"line\nbreak"}',
  ],
  ["int8[]", [1, 2n, null], "{1,2,NULL}"],
  ["boolean[]", [true, false], "{t,f}"],
  ["numeric[]", ["1.10", null], "{1.10,NULL}"],
  ["text[]", [], "{}"],
];

eachDatabase("value mapping", (open) => {
  const withDatabase = async (work: (db: Database) => Promise<void>): Promise<void> => {
    const db = await open();
    try {
      await work(db);
    } finally {
      await db.close();
    }
  };

  it("reads each type as the port says", async () => {
    await withDatabase(async (db) => {
      for (const [type, text, value] of readings) {
        const { rows } = await db.query(`select $1::text::${type} as value`, [text]);
        expect(rows, `${type} ${text}`).toEqual([{ value }]);
      }
      expect((await db.query("select null::int8 as value, null::text[] as list")).rows).toEqual([{ value: null, list: null }]);
    });
  });

  it("writes each parameter as the port says", async () => {
    await withDatabase(async (db) => {
      for (const [type, parameter, text] of writings) {
        const { rows } = await db.query(`select $1::${type}::text as text`, [parameter]);
        expect(rows, type).toEqual([{ text }]);
      }
    });
  });

  it("brings back what was written, for any text, array, bytes, number and date", async () => {
    const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0"));
    const row = fc.record({
      text,
      list: fc.array(fc.option(text)),
      numbers: fc.array(fc.option(fc.maxSafeInteger())),
      bytes: fc.uint8Array(),
      float: fc.double(),
      flag: fc.boolean(),
      at: fc.date({ min: new Date("-004000-01-01T00:00:00Z"), max: new Date("+200000-01-01T00:00:00Z"), noInvalidDate: true }),
      json: fc.json().filter((value) => !value.includes("\\u0000")),
    });
    const sql =
      "select $1::text as text, $2::text[] as list, $3::int8[] as numbers, $4::bytea as bytes, $5::float8 as float, $6::bool as flag, $7::timestamptz as at, $8::json as json";
    await withDatabase(async (db) => {
      await fc.assert(
        fc.asyncProperty(row, async ({ text: value, list, numbers, bytes, float, flag, at, json }) => {
          const { rows } = await db.query(sql, [value, list, numbers, bytes, float, flag, at, json]);
          const expected = { text: value, list, numbers, bytes, float, flag, at, json: JSON.parse(json) as unknown };
          expect(rows).toEqual([expected]);
        }),
        { numRuns: 200 },
      );
    });
  });

  it("refuses values that JavaScript or Postgres cannot hold", async () => {
    await withDatabase(async (db) => {
      const failure = async (sql: string, parameters: readonly SqlParameter[] = []): Promise<unknown> => {
        return await db.query(sql, parameters).then(
          () => "no error",
          (error: unknown) => (error as { details: { sqlstate: string } }).details.sqlstate,
        );
      };
      expect(await failure("select 9007199254740992::int8")).toBe("22003");
      expect(await failure("select 'infinity'::timestamptz")).toBe("22008");
      expect(await failure("select $1::text", ["a\0b"])).toBe("22021");
      expect(await failure("select $1::text[]", [["a\0b"]])).toBe("22021");
      expect(await failure("select $1::timestamptz", [new Date(Number.NaN)])).toBe("22008");
      expect(await failure("select $1::text", [{ a: 1 } as unknown as string])).toBe("22P02");
      expect(await failure("select $1::text", [undefined as unknown as null])).toBe("22P02");
      expect((await db.query("select 1 as usable")).rows).toEqual([{ usable: 1 }]);
    });
  });

  it("moves a result and a parameter of several megabytes", async () => {
    await withDatabase(async (db) => {
      const long = "🐄x".repeat(1_000_000);
      expect((await db.query<{ v: string }>("select $1::text as v", [long])).rows[0]?.v).toBe(long);
      const { rows } = await db.query<{ g: number; t: string }>(
        "select g, repeat('a', 20) as t from generate_series(1, 50000) g",
      );
      expect(rows.length).toBe(50_000);
      expect(rows.at(-1)).toEqual({ g: 50_000, t: "a".repeat(20) });
    });
  });
});
