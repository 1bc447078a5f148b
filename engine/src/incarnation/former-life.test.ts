import { expect, it } from "vitest";
import { TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { lostCommits, noteFormerLives, settleFormerLives } from "./former-life.ts";

const hash = new Uint8Array(32).fill(1);

eachDatabase("commits that an application remembers", (open) => {
  it("F-A15 are called lost only when the parent was asked and does not have them", async () => {
    const edge = await TestReplica.open(open, "edge");
    const [former, unknown] = [newId(), newId()];
    const here = (await edge.storage.heads([TENANT]))[0]?.incarnation ?? "";
    const commit = (origin: string, seq: number) => ({ tenant: TENANT, origin, seq });
    const settle = async (...seqs: readonly number[]): Promise<void> => {
      const chains = seqs.map((seq) => ({ tenant: TENANT, incarnation: former, seq, hash }));
      await edge.database.transaction(
        async (tx) => await settleFormerLives(tx, { tenant: TENANT, peer: newId(), received: null, chains }),
      );
    };
    const kept = [commit(here, 1), commit(former, 2), commit(former, 3), commit(former, 4), commit(unknown, 1)];
    expect(await lostCommits(edge.database, [commit(here, 1)])).toEqual([]);
    await noteFormerLives(edge.database, kept);
    expect(await lostCommits(edge.database, kept)).toBeNull();
    // It has one of the two lives, up to its third commit.
    await settle(3);
    expect(await lostCommits(edge.database, kept)).toEqual([commit(former, 4), commit(unknown, 1)]);
    // Told again, it may have more by then, never less.
    await noteFormerLives(edge.database, kept);
    await settle(4);
    await settle();
    expect(await lostCommits(edge.database, kept)).toEqual([commit(unknown, 1)]);
    await edge.close();
  });
});
