import { expect, it } from "vitest";
import { BARN, pullDown, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { pruneLog } from "../log/prune-log.ts";
import { freshPostgres } from "../testing/fresh-postgres.ts";
import { copyName } from "./peer-of-copy.ts";
import { markOf, readMark } from "./position-mark.ts";
import { sha256 } from "../commit/sha256.ts";

const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'n')";

it("S9.4 a parent that lost commits which their author has pruned takes the rest, and notes what is gone for certain", async () => {
  const [cloud, edge] = [await TestReplica.open(freshPostgres, "cloud"), await TestReplica.open(freshPostgres, "edge")];
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await pullDown(edge, cloud);
  const barn = (await edge.storage.heads([TENANT]))[0]?.position ?? 0;
  for (let count = 0; count < 5; count += 1) await edge.sql(NOTE, [newId()]);
  const incarnation = (await edge.storage.heads([TENANT]))[0]?.incarnation ?? "";
  // Acknowledged and old: pruned at the edge, while the cloud below knows nothing of them.
  await edge.storage.recordAcknowledgement({
    peer: cloud.nodeId,
    tenant: TENANT,
    incarnation,
    position: barn + 3,
    top: true,
    outcomes: [],
  });
  await edge.sql("update hayloft.peer set relation = 'parent'");
  await edge.sql("update hayloft.commit set sealed_at = now() - interval '40 days' where position <= $1", [barn + 3]);
  const options = { olderThanMs: 30 * 86_400_000, nowMs: Date.now(), hasParent: true };
  expect((await pruneLog(edge.database, edge.catalog, options)).find((log) => log.tenant === TENANT)?.position).toBe(barn + 3);

  const check = { peer: cloud.nodeId, tenant: TENANT, chains: [], received: null };
  const after = await edge.storage.settleHistory(check);
  expect(after).toBe(barn + 3);
  const [horizon = null] = await edge.storage.horizons([TENANT]);
  expect(horizon).toMatchObject({ position: barn + 3, seq: 3 });
  const slice = await edge.slice(cloud, "up", Number(after));
  const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice } as const;
  await expect(cloud.storage.apply(request)).rejects.toMatchObject({ code: "sequence-gap" });
  expect(await cloud.storage.apply({ ...request, horizon })).toMatchObject({ commitsApplied: 2 });
  expect(await cloud.sql("select from_seq, to_seq, node_id from hayloft.gap")).toEqual([
    { from_seq: 1, to_seq: 3, node_id: edge.nodeId },
  ]);
  await Promise.all([cloud.close(), edge.close()]);
});

it("F-C6 a commit of a child's own whose name is taken is believed to be the known one only when it was compared", async () => {
  const cloud = await TestReplica.open(freshPostgres, "cloud");
  const edge = await TestReplica.open(freshPostgres, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await pullDown(edge, cloud);
  const barn = (await edge.storage.heads([TENANT]))[0]?.position ?? 0;
  for (let count = 0; count < 3; count += 1) await edge.sql(NOTE, [newId()]);
  const slice = await edge.slice(cloud, "up", 0);
  const request = { peer: edge.nodeId, from: "child", grant: edge.grant() } as const;
  await cloud.storage.apply({ ...request, slice });
  // The same names, as another copy of the edge would send them in a session that began before these came.
  const first = { ...slice, upTo: barn + 1, commits: slice.commits.slice(0, 1) };
  await expect(cloud.storage.apply({ ...request, slice: first, verifiedSeq: 0 })).rejects.toMatchObject({
    code: "history-diverged",
  });
  expect(await cloud.storage.apply({ ...request, slice: first, verifiedSeq: 1 })).toMatchObject({ commitsDuplicate: 1 });
  await Promise.all([cloud.close(), edge.close()]);
});

it("a mark is good for its own place alone, and nobody can name another node's copy", () => {
  const key = { secret: new Uint8Array(32).fill(7), sha256 };
  const place = { tenant: "t1", incarnation: newId(), position: 9 };
  const hash = new Uint8Array(32).fill(1);
  const mark = markOf(key, place, hash);
  expect(readMark(key, { ...place, mark })).toEqual(hash);
  for (const forged of [
    { ...place, position: 10 },
    { ...place, tenant: "t2" },
    { ...place, incarnation: newId() },
  ])
    expect(readMark(key, { ...forged, mark })).toBeNull();
  expect(readMark({ ...key, secret: new Uint8Array(32) }, { ...place, mark })).toBeNull();
  expect(readMark(key, { ...place, mark: Uint8Array.from(mark, (byte, index) => (index === 0 ? byte ^ 1 : byte)) })).toBeNull();
  const [one, two, copy] = [newId(), newId(), newId()];
  expect(copyName(one, copy)).not.toBe(copyName(two, copy));
  expect([one, two, copy]).not.toContain(copyName(one, copy));
});
