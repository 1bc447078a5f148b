import { expect, it } from "vitest";
import { BARN, exchange, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { SqlReplicaStorage } from "../replica/sql-replica-storage.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { listQuarantine } from "./held-commit.ts";

it("P-C13 at the bound nothing is dropped: what is in front is taken, what is behind waits, others and the other direction flow", async () => {
  const cloud = await TestReplica.open(freshPglite, "cloud");
  const [edge, other] = [await TestReplica.open(freshPglite, "edge"), await TestReplica.open(freshPglite, "edge")];
  await cloud.sql(BARN, ["b1", "Barn one"]);
  for (const replica of [edge, other]) await exchange(replica, cloud);
  await edge.database.script("alter table note drop constraint note_title_check");
  const bounded = new SqlReplicaStorage({
    database: cloud.database,
    catalog: cloud.catalog,
    nodeId: cloud.nodeId,
    tier: "cloud",
    hasParent: false,
    limits: { quarantine: { commitsMax: 2, bytesMax: 1_000_000 } },
  });
  const send = async (from: TestReplica) => {
    const after = (await from.storage.acknowledgedCursors(cloud.nodeId))[0]?.position ?? 0;
    const slice = await from.slice(cloud, "up", after);
    return await bounded.apply({ peer: from.nodeId, from: "child", grant: from.grant(), slice });
  };
  const insert = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', $2)";
  const titles = ["in front", ...Array.from({ length: 3 }, () => "x".repeat(200)), "behind"];
  for (const title of titles) await edge.sql(insert, [newId(), title]);
  await other.sql(insert, [newId(), "fine"]);
  const full = await send(edge).catch((error: unknown) => error);
  const incarnation = (await edge.storage.heads([TENANT]))[0]?.incarnation;
  expect(isHayloftError(full, "quarantine-full") && full.details).toMatchObject({
    commits: 3,
    commitsMax: 2,
    origin: incarnation,
    seq: 4,
  });
  // What comes before the commit without room is here, and so is as much of the rest as may be held.
  const here = async () => (await cloud.sql("select title from note order by title")).map(({ title }) => title);
  expect(await here()).toEqual(["in front"]);
  expect(await listQuarantine(cloud.database, TENANT)).toHaveLength(2);
  // The same again changes nothing.
  await expect(send(edge)).rejects.toMatchObject({ code: "quarantine-full" });
  expect(await listQuarantine(cloud.database, TENANT)).toHaveLength(2);
  expect(await send(other)).toMatchObject({ commitsApplied: 1 });
  await cloud.sql(BARN, ["b2", "Barn two"]);
  await pullDown(edge, cloud);
  expect(await edge.sql("select count(*) as count from barn")).toEqual([{ count: 2 }]);
  expect(await edge.sql("select count(*) as count from note")).toEqual([{ count: 6 }]);
  // A person makes room, and the rest goes on.
  const [held] = await listQuarantine(cloud.database, TENANT);
  await bounded.quarantine.discard(held ?? { tenant: TENANT, origin: "", seq: 0 }, { reason: "a slip" });
  expect(await send(edge)).toMatchObject({ commitsApplied: 1 });
  expect(await here()).toEqual(["behind", "fine", "in front"]);
  await pushUp(edge, cloud);
  expect(await listQuarantine(cloud.database, TENANT)).toHaveLength(2);
  await Promise.all([cloud.close(), edge.close(), other.close()]);
}, 180_000);

it("F-G2 a commit of the parent that cannot be applied is held, reported to it, and heals with the next one of the row", async () => {
  const cloud = await TestReplica.open(freshPglite, "cloud");
  const edge = await TestReplica.open(freshPglite, "edge");
  await exchange(edge, cloud);
  await edge.database.script("alter table barn add constraint shorter check (length(name) < 20)");
  await cloud.sql(BARN, ["b1", "a name that is too long here"]);
  await cloud.sql(BARN, ["b2", "fine"]);
  await exchange(edge, cloud);
  expect(await edge.sql("select id from barn")).toEqual([{ id: "b2" }]);
  await edge.storage.tendHeld(TENANT);
  await exchange(edge, cloud);
  const seen = async () => await cloud.sql("select code, state, tables from hayloft.quarantined");
  expect(await seen()).toEqual([{ code: "refused-constraint", state: "held", tables: "barn" }]);
  await cloud.sql("update barn set name = 'short' where id = 'b1'");
  await exchange(edge, cloud);
  expect(await edge.sql("select name from barn order by id")).toEqual([{ name: "short" }, { name: "fine" }]);
  await edge.storage.tendHeld(TENANT);
  await exchange(edge, cloud);
  expect(await seen()).toEqual([{ code: "refused-constraint", state: "applied", tables: "barn" }]);
  await Promise.all([cloud.close(), edge.close()]);
}, 180_000);
