import { expect, it } from "vitest";
import { commitHash, firstPreviousHash } from "../commit/commit-hash.ts";
import { changesBytes } from "../commit/changes-bytes.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import type { ApplyResult } from "../replica/replica-storage.ts";
import { TENANT, TestReplica } from "../apply/test-replica.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { OUTCOMES_MAX } from "./outcomes.ts";

const noTable: Change = { table: "no_such_table", op: "insert", columns: ["id"], values: [["1"]], rowCount: 1 };

function chain(node: string, count: number): readonly Commit[] {
  const origin = newId();
  let previousHash = firstPreviousHash();
  return Array.from({ length: count }, (_, index) => {
    const head = { tenant: TENANT, origin, seq: index + 1, stamp: BigInt(index + 1), node, tier: "edge", author: null };
    const commit = { ...head, catalogVersion: 1, previousHash, changes: [noTable] };
    const hash = commitHash(commit);
    previousHash = hash;
    return { ...commit, hash };
  });
}

it("more refusals than one acknowledgement holds are all told, also after one that was lost", async () => {
  const cloud = await TestReplica.open(freshPglite, "cloud");
  const node = newId();
  const grant = { tenant: TENANT, tier: "edge", role: "node", scopes: {} };
  const commits = chain(node, OUTCOMES_MAX + 100);
  const incarnation = commits[0]?.origin ?? "";
  const end = commits.length;
  const tell = async (after: number, sent: readonly Commit[], upTo = end): Promise<ApplyResult> =>
    await cloud.storage.apply({
      peer: node,
      from: "child",
      grant,
      slice: { tenant: TENANT, incarnation, after, upTo, head: end, commits: sent },
    });
  for (let round = 0; round < 2; round += 1) {
    const first = await tell(0, commits);
    expect([first.outcomes.length, first.untold, first.position]).toEqual([OUTCOMES_MAX, true, end]);
    const second = await tell(end, []);
    expect([second.outcomes.length, second.untold]).toEqual([100, false]);
    const told = new Set([...first.outcomes, ...second.outcomes].map(({ seq }) => seq));
    expect(told.size).toBe(end);
    expect((await tell(end, [])).outcomes).toEqual([]);
  }
  // A session that began while an earlier one stored the last of them knows only what was there before, and tells all of them once.
  const before = end - 1;
  expect((await tell(-1, [], before)).untold).toBe(true);
  expect((await tell(before, [], before)).outcomes).toHaveLength(100);
  expect((await tell(before, [], before)).outcomes).toEqual([]);
  await cloud.close();
}, 120_000);

it("F-C6 F-C7 a copy of a node is told when it comes back what became of commits of before the copies parted", async () => {
  const cloud = await TestReplica.open(freshPglite, "cloud");
  const node = newId();
  const grant = { tenant: TENANT, tier: "edge", role: "node", scopes: {} };
  const commits = chain(node, 3);
  const slice = { tenant: TENANT, incarnation: commits[0]?.origin ?? "", after: 0, upTo: 3, head: 3, commits };
  expect((await cloud.storage.apply({ peer: node, from: "child", grant, slice })).outcomes).toHaveLength(3);
  const peer = await cloud.storage.peerOfCopy(TENANT, node, newId());
  const probe = { ...slice, incarnation: newId(), after: -1, upTo: 0, head: 0, commits: [] };
  const tell = async (after: number): Promise<readonly unknown[]> =>
    (await cloud.storage.apply({ peer, node, from: "child", grant, slice: { ...probe, after } })).outcomes;
  const refused = commits.map(({ origin, seq }) => ({ origin, seq, outcome: "refused", code: "refused-schema" }));
  expect(await tell(-1)).toMatchObject(refused);
  // Once, and again when it comes back again; the copy that keeps the name is told nothing for the second time.
  expect(await tell(0)).toEqual([]);
  expect(await tell(-1)).toHaveLength(3);
  const own = { ...slice, after: 3, commits: [] };
  expect((await cloud.storage.apply({ peer: node, from: "child", grant, slice: own })).outcomes).toEqual([]);
  await cloud.close();
});

it("the size of true rows is counted in bytes, not in characters", () => {
  const sized = (value: string): number => changesBytes([{ ...noTable, values: [[value]] }]) - changesBytes([noTable]) + 1;
  for (const value of ["abc", "äöü", "日本語", "🐔🐔"]) expect(sized(value)).toBe(Buffer.byteLength(value));
});
