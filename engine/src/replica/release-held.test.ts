import { expect, it } from "vitest";
import { sampleFarm } from "../apply/sample-farm.ts";
import { BARN, pullDown, pushUp, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { createIdentity } from "../identity/node-identity.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { openReplica } from "./open-replica.ts";
import { eventually } from "./testing/harbour.ts";

it("F-D4 a row that is written at the hub releases the commits that wait for it", async () => {
  const identity = createIdentity({ tier: "cloud", tenant: "t1" });
  const cloud = await TestReplica.open(freshPglite, "cloud", { nodeId: identity.nodeId });
  const edge = await TestReplica.open(freshPglite, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await pullDown(edge, cloud);
  await edge.database.script("alter table note drop constraint note_tenant_id_barn_id_fkey");
  await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b7', 'early')", [newId()]);
  expect((await pushUp(edge, cloud)).outcomes).toMatchObject([{ code: "refused-parent" }]);
  const migrations = [{ name: "0001_initial", sql: catalogDdl(sampleFarm) }];
  const hub = await openReplica({ catalog: sampleFarm, migrations, database: cloud.database, identity });
  await hub.database.query(BARN, ["b7", "Late"]);
  await eventually(
    async () => (await cloud.sql("select title from note")).length,
    (count) => count === 1,
  );
  expect(await cloud.sql("select state, code from hayloft.quarantine")).toEqual([{ state: "applied", code: "refused-parent" }]);
  await hub.close();
  await Promise.all([cloud.close(), edge.close()]);
});
