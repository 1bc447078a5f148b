import { afterAll, beforeAll, expect, it } from "vitest";
import {
  bigint,
  boolean,
  type Column,
  date,
  double,
  integer,
  jsonb,
  numeric,
  text,
  timestamptz,
  uuid,
} from "../catalog/column.ts";
import type { Database } from "../store/database.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { columnsTextSql } from "./row-text.ts";

const SIGNS = ["\u001F", "\u001E", "0", "a"];

eachDatabase("the text of a row", (open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
  });
  afterAll(async () => await database.close());

  it("R-24-2 no two rows have one text, whatever signs their values hold", async () => {
    const words = ["", ...SIGNS, ...SIGNS.flatMap((one) => SIGNS.map((two) => one + two)), null];
    const declared = { one: text().nullable(), two: text().nullable(), three: text().nullable() };
    const { rows } = await database.query<{ rows: number; texts: number }>(
      `select count(*) as rows, count(distinct ${columnsTextSql(["one", "two", "three"], declared, "t")}) as texts
      from unnest($1::text[]) as one cross join unnest($1::text[]) as two cross join unnest($1::text[]) as three
      cross join lateral (select one, two, three) as t`,
      [words],
    );
    expect(rows).toEqual([{ rows: words.length ** 3, texts: words.length ** 3 }]);
  });

  const samples: readonly (readonly [Column, string])[] = [
    [uuid(), "'01890a5d-ac96-774b-bcce-000000000001'::uuid"],
    [text(), String.raw`E'a\x1fb'::text`],
    [integer(), "-7::integer"],
    [bigint(), "9007199254740993::bigint"],
    [double(), "0.1::double precision"],
    [boolean(), "true"],
    [date(), "'2026-11-23'::date"],
    [timestamptz(), "'2026-11-23 14:00:00.123+00'::timestamptz"],
    [jsonb(), String.raw`'{"a": "\u001f"}'::jsonb`],
    [numeric(10, 2), "1.50::numeric(10, 2)"],
  ];

  it("R-24-2 the text of a value is the same whatever is known of its column", async () => {
    for (const [column, sql] of samples) {
      const texts = [{ v: column }, { v: column.nullable() }, {}].map((declared) => columnsTextSql(["v"], declared, "t"));
      const { rows } = await database.query<{ texts: readonly string[]; is_said: boolean }>(
        `select array[${texts.join(", ")}] as texts, replace(t.v::text, E'\\x1f', E'\\x1f\\x1f') = ${texts[0] ?? ""} as is_said from (select ${sql} as v) as t`,
      );
      expect(new Set(rows[0]?.texts).size, column.type.kind).toBe(1);
      expect(rows[0]?.is_said, column.type.kind).toBe(true);
    }
  });

  it("a row may have more columns than a function takes arguments", async () => {
    const columns = Array.from({ length: 200 }, (_, place) => `c${String(place)}`);
    const cells = columns.map((column, place) => `'${String(place)}' as ${column}`);
    const { rows } = await database.query<{ text: string }>(
      `select ${columnsTextSql(columns, {}, "t")} as text from (select ${cells.join(", ")}) as t`,
    );
    expect(rows[0]?.text).toBe(columns.map((_, place) => String(place)).join("\u001F\u001E"));
  });
});
