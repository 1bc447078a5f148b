import path from "node:path";
import { expect, it } from "vitest";
import { sampleFarm } from "../apply/sample-farm.ts";
import { createIdentity } from "../identity/node-identity.ts";
import { openReplica } from "../replica/open-replica.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { makeEmptyImage } from "./make-empty-image.ts";

const migrations = [{ name: "0001_initial", sql: catalogDdl(sampleFarm) }];

it("an image without rows begins stores that belong to who opens them, each with a life of its own, and takes later migrations", async () => {
  const directory = await tempDir();
  const file = path.join(directory, "image.tar.gz");
  const made = await makeEmptyImage({
    catalog: sampleFarm,
    migrations,
    tier: "cloud",
    scratch: path.join(directory, "scratch"),
    file,
  });
  expect(made.sizeBytes).toBeGreaterThan(100_000);
  const later = [...migrations, { name: "0002_later", sql: "create table later (id integer)" }];
  const lives: unknown[] = [];
  for (const [name, wanted] of [
    ["one", migrations],
    ["other", later],
  ] as const) {
    const database = await openPgliteDatabase({ dataDir: path.join(directory, name), image: file, durable: false });
    expect((await database.query("select count(*)::integer as count from barn")).rows).toEqual([{ count: 0 }]);
    const identity = createIdentity({ tier: "cloud", tenant: "t1" });
    const replica = await openReplica({ catalog: sampleFarm, migrations: wanted, database, identity });
    const { receipt } = await replica.write(
      async (_db, tx) => await tx.query("insert into barn (tenant_id, id, name) values ('t1', 'b1', 'first')"),
    );
    lives.push(receipt?.origin);
    expect((await database.query("select node_id from hayloft.replica")).rows).toEqual([{ node_id: identity.nodeId }]);
    expect((await database.query("select to_regclass('later') is not null as later")).rows).toEqual([
      { later: name === "other" },
    ]);
    await replica.close();
    await database.close();
  }
  expect(lives).toEqual([expect.any(String), expect.any(String)]);
  expect(new Set(lives).size).toBe(2);
});
