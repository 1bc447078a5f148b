import { expect, it } from "vitest";
import { BARN, exchange, newReading, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { commitHash, sameBytes } from "../commit/commit-hash.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { readReceipt } from "../receipt/read-receipt.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { pruneLog } from "./prune-log.ts";

const HOUR_MS = 3_600_000;

eachDatabase("care of the log", (open) => {
  it("F-C3 commits stamped by a clock that was ahead are stamped anew, with their chain and their rows' stamps, and sent", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    const edge = await TestReplica.open(open, "edge");
    await exchange(edge, cloud);
    const ahead = BigInt(Date.now() + 24 * HOUR_MS) << 16n;
    await edge.sql("update hayloft.head set stamp = $1", [ahead]);
    await edge.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'first')", [newId()]);
    await edge.sql("update note set title = 'second'");
    await edge.sql(newReading("e1"));
    await expect(pushUp(edge, cloud)).rejects.toEqual(expect.toSatisfy((error: unknown) => isHayloftError(error, "clock-ahead")));
    expect(await edge.storage.restampUnacknowledged(cloud.nodeId, TENANT)).toBe(3);
    const commits = await edge.commits();
    for (const [index, commit] of commits.slice(-3).entries()) {
      expect(commit.stamp).toBeLessThan(ahead);
      expect(sameBytes(commitHash(commit), commit.hash)).toBe(true);
      if (index > 0) expect(commit.previousHash).toEqual(commits.slice(-3)[index - 1]?.hash);
    }
    expect(await pushUp(edge, cloud)).toMatchObject({ commitsApplied: 3, outcomes: [] });
    const states = await edge.sql("select stamps::text as stamps from hayloft.row_state");
    expect(states).toEqual(await cloud.sql("select stamps::text as stamps from hayloft.row_state"));
    await cloud.sql("update note set title = 'cloud after'");
    await pullDown(edge, cloud);
    expect(await edge.sql("select title from note")).toEqual([{ title: "cloud after" }]);
    await edge.sql("update note set title = 'edge after'");
    await pushUp(edge, cloud);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("prunes only what the parent has acknowledged and the retention no longer holds, and keeps receipts", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    const edge = await TestReplica.open(open, "edge");
    await exchange(edge, cloud);
    await edge.sql(newReading("e1"));
    await edge.sql(newReading("e2"));
    const [head] = await edge.storage.heads([TENANT]);
    const origin = head?.incarnation ?? "";
    const prune = async (olderThanMs: number): Promise<number> => {
      const results = await pruneLog(edge.database, edge.catalog, { olderThanMs, nowMs: Date.now(), hasParent: true });
      return results.find(({ tenant }) => tenant === TENANT)?.commits ?? -1;
    };
    expect(await prune(-60_000)).toBe(0);
    await pushUp(edge, cloud);
    expect(await prune(HOUR_MS)).toBe(0);
    await edge.sql(newReading("e3"));
    expect(await prune(-60_000)).toBe(head?.position ?? 0);
    expect(await edge.sql("select count(*) as count from hayloft.change")).toEqual([{ count: 1 }]);
    await expect(edge.slice(cloud, "up", 0)).rejects.toThrow("behind-horizon");
    expect(await readReceipt(edge.database, TENANT, origin, 1)).toMatchObject({
      device: { reached: true },
      parent: { reached: true },
      top: { reached: true },
    });
    expect(await pushUp(edge, cloud)).toMatchObject({ commitsApplied: 1 });
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-D1 a child that comes and takes nothing holds the log back for a while, not for ever", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    await cloud.sql(BARN, ["b2", "Barn two"]);
    await cloud.sql(BARN, ["b3", "Barn three"]);
    const [head] = await cloud.storage.heads([TENANT]);
    const taken = (await edge.storage.receivedCursors(cloud.nodeId)).find(({ tenant }) => tenant === TENANT)?.position;
    const prune = async (stuck: object): Promise<unknown> => {
      const options = { olderThanMs: -60_000, nowMs: Date.now(), hasParent: false, ...stuck };
      return (await pruneLog(cloud.database, cloud.catalog, options)).find(({ tenant }) => tenant === TENANT)?.position;
    };
    expect(await prune({})).toBe(taken);
    expect(await prune({ childStuckMs: -60_000 })).toBe(head?.position);
    await expect(pullDown(edge, cloud)).rejects.toThrow("behind-horizon");
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a log is read in slices of limited rows and bytes, and a large commit goes alone", async () => {
    const edge = await TestReplica.open(open, "edge");
    const cloud = await TestReplica.open(open, "cloud");
    await edge.database.script("alter table reading drop constraint reading_tenant_id_barn_id_fkey");
    for (let event = 0; event < 6; event += 1) await edge.sql(newReading(`e${String(event)}`));
    await edge.sql(
      "insert into reading select 't1', gen_random_uuid(), 'b1', 1, 'n' || n, now() from generate_series(1, 2500) n",
    );
    await edge.sql(newReading("last"));
    const sizes: number[] = [];
    for (let after = 0; ;) {
      const slice = await edge.slice(cloud, "up", after, null, { bytesMax: 1e9, rowsMax: 4 });
      if (slice.upTo === after) break;
      expect(slice.head).toBe(8);
      sizes.push(slice.commits.length);
      after = slice.upTo;
    }
    expect(sizes).toEqual([4, 2, 1, 1]);
    const bytes = await edge.slice(cloud, "up", 0, null, { bytesMax: 1, rowsMax: 100 });
    expect(bytes.commits.length).toBe(1);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("an acknowledgement beyond our log is history-diverged, one of another incarnation is ignored", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const edge = await TestReplica.open(open, "edge");
    const [head] = await edge.storage.heads([TENANT]);
    const ack = { peer: cloud.nodeId, tenant: TENANT, position: 5, top: true, outcomes: [] };
    await expect(edge.storage.recordAcknowledgement({ ...ack, incarnation: head?.incarnation ?? "" })).rejects.toThrow(
      "history-diverged",
    );
    await edge.storage.recordAcknowledgement({ ...ack, incarnation: newId() });
    expect(await edge.storage.acknowledgedCursors(cloud.nodeId)).toEqual([]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
