import { expect, it } from "vitest";
import { commitHash } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import type { ApplyResult } from "../replica/replica-storage.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { BARN, exchange, pushUp, TestReplica } from "./test-replica.ts";

const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', 'x')";

eachDatabase("relayed authors", (open) => {
  const start = async (): Promise<readonly [TestReplica, TestReplica, TestReplica]> => {
    const cloud = await TestReplica.open(open, "cloud");
    const [one, two] = [await TestReplica.open(open, "edge"), await TestReplica.open(open, "edge")];
    await cloud.sql(BARN, ["b1", "Barn one"]);
    for (const edge of [one, two]) {
      await exchange(edge, cloud);
      await cloud.sql(
        "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ('t1', $1, 'e', 'edge', 'worker', 'k')",
        [edge.nodeId],
      );
    }
    return [cloud, one, two];
  };

  /** The first edge sends its newest commit with parts of it forged. */
  const forge = async (cloud: TestReplica, edge: TestReplica, parts: Partial<Commit>): Promise<ApplyResult> => {
    await edge.sql(NOTE, [newId()]);
    const slice = await edge.slice(cloud, "up", 0);
    const last = slice.commits.at(-1);
    if (last === undefined) throw new Error("no commit");
    const forged = { ...last, ...parts };
    const commit = { ...forged, hash: commitHash(forged) };
    const request = { peer: edge.nodeId, from: "child", grant: edge.grant(), slice: { ...slice, commits: [commit] } } as const;
    return await cloud.storage.apply(request);
  };

  it("F-G8 a commit that an edge relays for another edge is refused, and that edge's own commits are applied as ever", async () => {
    const [cloud, one, two] = await start();
    const origin = (await two.storage.heads(["t1"]))[0]?.incarnation;
    const first = await forge(cloud, one, { node: two.nodeId, origin: origin ?? "", seq: 1 });
    expect(first.outcomes).toMatchObject([{ outcome: "refused", code: "refused-writer" }]);
    const far = await forge(cloud, one, { node: two.nodeId, origin: origin ?? "", seq: 1_000_000_000 });
    expect(far.commitsApplied).toBe(0);
    for (let count = 0; count < 2; count += 1) await two.sql(NOTE, [newId()]);
    expect(await pushUp(two, cloud)).toMatchObject({ commitsApplied: 2, commitsDuplicate: 0 });
    expect(await cloud.sql("select count(*) as count from note")).toEqual([{ count: 2 }]);
    expect(await cloud.sql("select seq from hayloft.outcome where origin = $1 and seq < 10", [origin ?? ""])).toEqual([]);
    await Promise.all([cloud.close(), one.close(), two.close()]);
  });

  it("F-G8 a claim of an unknown node on an origin does not take it from the node that has it", async () => {
    const [cloud, one, two] = await start();
    const [head] = await two.storage.heads(["t1"]);
    await forge(cloud, one, { node: newId(), tier: "tablet", origin: head?.incarnation ?? "", seq: 7 });
    await two.sql(NOTE, [newId()]);
    expect(await pushUp(two, cloud)).toMatchObject({ commitsApplied: 1, outcomes: [] });
    await Promise.all([cloud.close(), one.close(), two.close()]);
  });

  it("F-G8 a child's commit with another node's origin is refused and leaves that node's chain alone", async () => {
    const [cloud, one, two] = await start();
    await two.sql(NOTE, [newId()]);
    await pushUp(two, cloud);
    const last = (await two.commits()).at(-1);
    if (last === undefined) throw new Error("no commit");
    const parts = { origin: last.origin, seq: last.seq + 1, previousHash: last.hash };
    await expect(forge(cloud, one, parts)).rejects.toMatchObject({ code: "history-diverged" });
    await two.sql(NOTE, [newId()]);
    expect(await pushUp(two, cloud)).toMatchObject({ commitsApplied: 1, outcomes: [] });
    await Promise.all([cloud.close(), one.close(), two.close()]);
  });
});
