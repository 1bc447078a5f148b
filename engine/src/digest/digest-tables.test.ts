import { expect, it } from "vitest";
import { BARN, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { diffTables } from "./diff-tables.ts";
import { digestTables } from "./digest-tables.ts";

eachDatabase("digest", (open) => {
  it("is equal for equal rows in any order, on the other database and under other client settings", async () => {
    const left = await TestReplica.open(open, "cloud");
    const right = await TestReplica.open(freshPglite, "cloud");
    const ids = [newId(), newId(), newId()];
    await left.sql(BARN, ["b1", "one"]);
    await right.sql(BARN, ["b1", "one"]);
    const insert =
      "insert into note (tenant_id, id, barn_id, title, body, price, seen_at) values ('t1', $1, 'b1', $2, null, 1.50, '2026-03-29 01:30:00.25+01')";
    for (const [index, id] of ids.entries()) await left.sql(insert, [id, `t${String(index)}`]);
    for (const [index, id] of [...ids.entries()].toReversed()) await right.sql(insert, [id, `t${String(index)}`]);
    const expected = await left.digest();
    expect(await right.digest()).toEqual(expected);
    const strange = await right.database.transaction(async (tx) => {
      await tx.script("set local timezone = 'Asia/Tokyo'; set local datestyle = 'German'; set local extra_float_digits = -5");
      const digest = await digestTables(tx, right.catalog, TENANT);
      const { rows } = await tx.query<{ zone: string }>("select current_setting('timezone') as zone");
      expect(rows[0]?.zone).toBe("Asia/Tokyo");
      return digest;
    });
    expect(strange).toEqual(expected);
    await Promise.all([left.close(), right.close()]);
  });

  it("differs for every kind of difference, and the difference is named", async () => {
    const left = await TestReplica.open(open, "cloud");
    const right = await TestReplica.open(open, "cloud");
    for (const { database } of [left, right])
      await database.query("insert into barn values ('t1', 'b1', 'one', null, 5), ('t1', 'b2', 'two', 'x', null)");
    expect(await diffTables(left.database, right.database, left.catalog, TENANT)).toEqual([]);
    await right.sql("update barn set location = '' where id = 'b1'");
    await left.sql("insert into barn values ('t1', 'b3', 'three', null, null)");
    await right.sql("insert into barn values ('t1', 'b4', 'four', null, null)");
    const [mine, theirs] = [await left.digest(["barn"]), await right.digest(["barn"])];
    expect(mine[0]?.rows).toBe(theirs[0]?.rows);
    expect(mine[0]?.digest).not.toBe(theirs[0]?.digest);
    expect(await diffTables(left.database, right.database, left.catalog, TENANT)).toEqual([
      { table: "barn", key: ["b1"], kind: "differs", columns: ["location"] },
      { table: "barn", key: ["b3"], kind: "onlyLeft", columns: [] },
      { table: "barn", key: ["b4"], kind: "onlyRight", columns: [] },
    ]);
    await Promise.all([left.close(), right.close()]);
  });

  it("covers only the tables and the window asked for", async () => {
    const replica = await TestReplica.open(open, "edge");
    await replica.database.script("alter table reading drop constraint reading_tenant_id_barn_id_fkey");
    await replica.sql(
      "insert into reading select 't1', gen_random_uuid(), 'b1', n, 'e' || n, timestamptz '2026-01-01' + n * interval '1 day' from generate_series(0, 9) n",
    );
    const window = { column: "occurred_at", from: new Date("2026-01-03"), to: new Date("2026-01-06") };
    const digests = await digestTables(replica.database, replica.catalog, TENANT, ["reading"], window);
    expect(digests.map(({ table, rows }) => [table, rows])).toEqual([["reading", 3]]);
    await replica.close();
  });
});
