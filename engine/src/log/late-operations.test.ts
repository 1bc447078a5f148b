import { afterAll, beforeAll, expect, it } from "vitest";
import { Forger } from "../apply/forger.ts";
import { sampleMemory } from "../apply/sample-memory.ts";
import { TENANT, TestReplica } from "../apply/test-replica.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { compactMemories } from "./compact-memories.ts";

let cloud: TestReplica;
beforeAll(async () => {
  cloud = await TestReplica.open(freshPglite, "cloud", { catalog: sampleMemory });
}, 180_000);
afterAll(async () => await cloud.close());

const START = BigInt(Date.now() - 60_000) << 16n;

function change(id: string, op: "insert" | "update", ops: Readonly<Record<string, unknown>>): Change {
  const names = Object.keys(ops).filter((name) => !name.startsWith("$"));
  const row: Record<string, CellText> = { tenant_id: "t1", id };
  for (const name of names) row[name] = name === "labels" ? "[]" : "0";
  if (op === "update") row["$changed"] = names.join(",");
  row["$ops"] = JSON.stringify({ $at: 1, ...ops });
  return { table: "stock", op, columns: Object.keys(row), values: Object.values(row).map((value) => [value]), rowCount: 1 };
}

const fold = async (): Promise<number> =>
  await compactMemories(cloud.database, cloud.catalog, { nowMs: Date.now(), olderThanMs: 3_600_000, operationsMax: 2 });

it("an operation that comes after its node and time were folded is refused and kept, and sent again it counts", async () => {
  const forger = new Forger(cloud);
  const send = async (op: "insert" | "update", delta: string, at: bigint) =>
    await forger.codeOf([change("c1", op, { on_hand: delta })], { stamp: START + at });
  for (const [index, delta] of ["10", "1", "1", "1"].entries())
    expect(await send(index === 0 ? "insert" : "update", delta, BigInt(index * 10))).toBe(null);
  expect(await fold()).toBe(1);
  expect(await send("update", "100", 15n)).toBe("refused-late");
  expect(await cloud.sql("select on_hand from stock where id = 'c1'")).toEqual([{ on_hand: 13 }]);
  const [held] = await listQuarantine(cloud.database, TENANT);
  expect(held).toMatchObject({ code: "refused-late", retryable: false });
  await cloud.sql("update stock set on_hand = on_hand + 1000 where id = 'c1'");
  await cloud.storage.quarantine.resend({ tenant: TENANT, origin: held?.origin ?? "", seq: held?.seq ?? 0 });
  expect(await cloud.sql("select on_hand from stock where id = 'c1'")).toEqual([{ on_hand: 1113 }]);
});

it("nothing is folded together with the knowledge of an operation that has not come yet", async () => {
  const [author, other] = [new Forger(cloud), new Forger(cloud)];
  const send = async (forger: Forger, op: "insert" | "update", labels: unknown, at: bigint, seen?: bigint) =>
    await forger.codeOf(
      [change("s1", op, { labels, ...(seen !== undefined && { $seen: { [other.node]: String(START + seen) } }) })],
      { stamp: START + at },
    );
  expect(await send(author, "insert", { add: ["a"] }, 0n)).toBe(null);
  expect(await send(author, "update", { add: ["b"] }, 10n)).toBe(null);
  // Its writer had seen what the other one did at 15, of which only the removal of "a" is told here.
  for (const [index, element] of ["c", "d", "e"].entries())
    expect(await send(author, "update", { add: [element], remove: index === 0 ? ["a"] : [] }, BigInt(20 + index * 10), 15n)).toBe(
      null,
    );
  await fold();
  expect(await send(other, "update", { add: ["late"] }, 15n)).toBe(null);
  expect(await cloud.sql("select labels from stock where id = 's1'")).toEqual([{ labels: ["b", "c", "d", "e", "late"] }]);
});
