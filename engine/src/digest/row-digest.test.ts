import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { setTextForm } from "../apply/apply-environment.ts";
import { sampleFarm } from "../apply/sample-farm.ts";
import { catalog } from "../catalog/catalog.ts";
import { boolean, integer, numeric, text, timestamptz } from "../catalog/column.ts";
import { appendOnly } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { rowPlan } from "../merge/row-plan.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { eachDatabase } from "../testing/each-database.ts";
import type { KeyRange, RangeDigest } from "./comparison.ts";
import {
  type ComparedRows,
  digestFirst,
  digestParts,
  digestRange,
  hexOf,
  joinDigests,
  rowDigests,
  walkByKey,
} from "./row-digest.ts";

const PLACES = 4;
const ROWS = 8_000;

const measure = table("measure", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: {
    tenant_id: text(),
    place: text(),
    number: integer(),
    value: numeric(10, 2).nullable(),
    words: text(),
    at: timestamptz(),
    is_good: boolean(),
  },
  primaryKey: ["tenant_id", "place", "number"],
  scope: { tenant: "tenant_id" },
  writers: ["cloud"],
  flow: "down",
  rule: appendOnly(),
  retain: { cloud: forever, edge: forever },
});
const sample = catalog({ ...sampleFarm, name: "sample-digest", tables: [measure] });
const plan = rowPlan(measure);
const rows: ComparedRows = {
  plans: new Map([["measure", plan]]),
  plan,
  tenant: "t1",
  grant: { tenant: "t1", tier: "edge", role: "node", scopes: {} },
  kept: null,
};
const ALL: KeyRange = { after: null, to: null };

/** Tells the plan of every statement, line by line, before it runs. */
const explained = (session: SqlSession, plans: string[][]): SqlSession => ({
  query: async (sql, parameters) => {
    const { rows: lines } = await session.query<Record<string, string>>(`explain ${sql}`, parameters);
    plans.push(lines.map((line) => line["QUERY PLAN"] ?? ""));
    return await session.query(sql, parameters);
  },
  script: async (sql) => await session.script(sql),
});

/** How many rows the planner expects in the step of a plan that has the most. */
const mostRows = (lines: readonly string[]): number =>
  Math.max(...lines.flatMap((line) => [...line.matchAll(/ rows=(\d+)/g)].map((match) => Number(match[1]))));

eachDatabase("digests of ranges", (open) => {
  let database: Database;

  const inText = async <T>(work: (tx: SqlSession) => Promise<T>): Promise<T> =>
    await database.transaction(
      async (tx) => {
        await setTextForm(tx);
        return await work(tx);
      },
      { readOnly: true },
    );

  beforeAll(async () => {
    database = await open();
    await database.script(catalogDdl(sample));
    // In an order that is not the key's, so that reading many rows by the key costs more than reading the table.
    await database.query(
      `insert into measure (tenant_id, place, number, value, words, at, is_good)
      select 't1', 'p' || n % $1, n, n, repeat('w', 100), '2026-11-01 00:00:00.5+00', true from generate_series(1, $2::integer) n order by md5(n::text)`,
      [PLACES, ROWS],
    );
  });
  afterAll(async () => await database.close());

  const cut = async (tx: SqlSession, size: number): Promise<readonly RangeDigest[]> => {
    const ranges: RangeDigest[] = [];
    for (let after: readonly string[] | null = null, more = true; more; more = after !== null) {
      ranges.push(await digestFirst(tx, rows, { after, to: null }, size));
      after = ranges.at(-1)?.to ?? null;
    }
    return ranges;
  };

  it("R-24-2 the digest of a row is the md5 of its values by column name, none able to look like two, on every release the same", async () => {
    const words = 'a "quoted" \\ line\n\ttab \u0001 \u001f \u001e \u007f ü 🐔';
    await database.query("insert into measure values ('t2', 'p', 1, null, $1, '2026-11-01T01:02:03.040506+02', true)", [words]);
    const values = ["2026-10-31 23:02:03.040506+00", "true", "1", "p", "t2", null, words];
    const said = values.map((value) => value?.replaceAll("\u001f", "\u001f\u001f") ?? "\u001f0");
    const expected = createHash("md5").update(said.join("\u001f\u001e")).digest("hex");
    const other = { ...rows, tenant: "t2" };
    const found = await inText(async (tx) => await rowDigests(tx, other, ALL, { without: [], limit: 10 }));
    expect([...found.values()]).toEqual([expected]);
    expect(hexOf((await inText(async (tx) => await digestRange(tx, other, ALL))).digest)).toBe(expected);
  });

  it("R-24-4 ranges that follow each other hold every row once, and their parts do, whether a range ends in the same place or in another", async () => {
    await inText(async (tx) => {
      const all = await digestRange(tx, rows, ALL);
      const ranges = await cut(tx, 1_500);
      expect(ranges.map(({ rows: count }) => count)).toEqual([...Array.from({ length: 5 }, () => 1_500), 500]);
      expect(joinDigests(ranges.map(({ digest }) => digest))).toEqual(all.digest);
      const inOnePlace = ranges.map(({ after, to }) => after?.[0] === to?.[0]);
      expect(new Set(inOnePlace)).toEqual(new Set([true, false]));
      for (const range of ranges) {
        expect(await digestRange(tx, rows, range)).toEqual(range);
        const parts = await digestParts(tx, rows, range, 400);
        expect(parts.reduce((sum, part) => sum + part.rows, 0)).toBe(range.rows);
        expect(joinDigests(parts.map(({ digest }) => digest))).toEqual(range.digest);
        for (const part of parts) expect(await digestRange(tx, rows, part)).toEqual(part);
      }
    });
  });

  it("walks a table that nobody has analysed by the index of its key, without a sort", async () => {
    await inText(async (tx) => {
      const plans: string[][] = [];
      await walkByKey(tx);
      await digestFirst(explained(tx, plans), rows, { after: ["p1", "1000"], to: null }, 200);
      expect(plans).toHaveLength(1);
      const steps = plans.flat().join("\n");
      expect(steps).toContain("Index Scan using measure_pkey");
      expect(steps).not.toMatch(/Sort Key|Seq Scan|Bitmap/);
    });
  });

  it("the planner expects of a range in the middle of a table about the rows that it has, and so does not read the whole table for them", async () => {
    await database.script("analyze measure");
    await inText(async (tx) => {
      const ranges = await cut(tx, 200);
      const ofOnePlace = ranges.find(({ after, to }) => after?.[0] === "p2" && to?.[0] === "p2");
      if (ofOnePlace === undefined) throw new Error("no range in one place");
      const plans: string[][] = [];
      const session = explained(tx, plans);
      await digestRange(session, rows, ofOnePlace);
      await digestParts(session, rows, ofOnePlace, 50);
      await rowDigests(session, rows, ofOnePlace, { without: [], limit: 50 });
      expect(plans).toHaveLength(3);
      // Of the two bounds of whole keys alone it expects 1,500 rows.
      expect(Math.max(...plans.map(mostRows))).toBeLessThan(500);
    });
  });
});
