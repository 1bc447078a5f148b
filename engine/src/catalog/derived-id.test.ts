import fc from "fast-check";
import { expect, it } from "vitest";
import { sampleDatabase } from "../sql/sample-database.ts";
import { eachDatabase } from "../testing/index.ts";
import { derivedId } from "./derived-id.ts";

eachDatabase("derivedId", (open) => {
  it("equals hayloft.derived_id for any key, and is a uuid v8", async () => {
    const database = await sampleDatabase(open, "edge");
    const part = fc.option(fc.string({ unit: "grapheme", maxLength: 20 }).map((value) => value.replaceAll("\u0000", "")));
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, maxLength: 10 }).map((value) => value.replaceAll("\u0000", "x")),
        fc.array(part, { minLength: 1, maxLength: 5 }),
        async (table, key) => {
          const [found] = (await database.query<{ id: string }>("select hayloft.derived_id($1, $2::text[]) as id", [table, key]))
            .rows;
          expect(found?.id).toBe(derivedId(table, key));
          expect(found?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        },
      ),
      { numRuns: 100 },
    );
    await database.close();
  });

  it("is what a row with a natural key gets, whatever id and settings its writer used", async () => {
    const database = await sampleDatabase(open, "edge");
    await database.transaction(async (tx) => {
      await tx.script(`set local datestyle = 'SQL, DMY'; set local timezone = 'Asia/Tokyo';
        insert into daily_count (tenant_id, id, farm_id, day, weight, animals)
        values ('t1', gen_random_uuid(), 'f1', '2026-03-04'::date, 2.5, 1), ('t1', gen_random_uuid(), 'f1', date '2026-03-04', null, 1)`);
    });
    const rows = (await database.query<{ id: string }>("select id from daily_count order by weight")).rows;
    expect(rows.map((row) => row.id)).toEqual([
      derivedId("daily_count", ["t1", "f1", "2026-03-04", "2.50"]),
      derivedId("daily_count", ["t1", "f1", "2026-03-04", null]),
    ]);
    await database.close();
  });
});

it("tells keys apart whose values join to the same text", () => {
  expect(derivedId("t", ["a,b", "c"])).not.toBe(derivedId("t", ["a", "b,c"]));
  expect(derivedId("t", [null])).not.toBe(derivedId("t", [""]));
  expect(derivedId("t", ["a"])).not.toBe(derivedId("u", ["a"]));
});
