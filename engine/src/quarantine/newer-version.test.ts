import { expect, it } from "vitest";
import { commitHash, firstPreviousHash } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { migrate } from "../migrate/migrate.ts";
import type { ApplyResult, Grant } from "../replica/replica-storage.ts";
import { SqlReplicaStorage } from "../replica/sql-replica-storage.ts";
import type { Database } from "../store/database.ts";
import { fleetVersions } from "../testing/fleet-versions.ts";
import { eachDatabase } from "../testing/index.ts";
import { listQuarantine } from "./held-commit.ts";

const tenant = "t";
const hub = "019abc00-0000-7000-8000-000000000001";
const child = "019abc00-0000-7000-8000-000000000002";
const grant: Grant = { tenant, tier: "edge", role: "device_agent", scopes: {} };

/** Opens the hub's storage as one of the versions. */
async function become(database: Database, place: 0 | 1 | 2): Promise<SqlReplicaStorage> {
  const version = fleetVersions[place];
  await migrate(database, { ...version, nodeId: hub, tier: "cloud" });
  return new SqlReplicaStorage({ database, catalog: version.catalog, nodeId: hub, tier: "cloud", hasParent: false });
}

const enrol = async (database: Database): Promise<void> => {
  await database.query(
    "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ($1, $2, 'edge', 'edge', 'device_agent', 'k')",
    [tenant, child],
  );
};

const insertOf = (table: string, row: Readonly<Record<string, string | null>>): Change => ({
  table,
  op: "insert",
  columns: Object.keys(row),
  values: Object.values(row).map((value) => [value]),
  rowCount: 1,
});

/** A chain of commits of one origin. */
function chain(versionOf: readonly number[], changes: readonly Change[]): readonly Commit[] {
  const origin = newId();
  let previousHash = firstPreviousHash();
  return changes.map((change, place) => {
    const commit: Commit = {
      tenant,
      origin,
      seq: place + 1,
      stamp: (BigInt(Date.now()) << 16n) + BigInt(place),
      node: child,
      tier: "edge",
      author: null,
      catalogVersion: versionOf[place] ?? 1,
      previousHash,
      hash: previousHash,
      changes: [change],
    };
    const hash = commitHash(commit);
    previousHash = hash;
    return { ...commit, hash };
  });
}

async function push(storage: SqlReplicaStorage, commits: readonly Commit[], peerVersion: number): Promise<ApplyResult> {
  const [first] = commits;
  const slice = { tenant, incarnation: first?.origin ?? "", after: 0, upTo: commits.length, head: commits.length, commits };
  return await storage.apply({ peer: child, from: "child", grant, peerVersion, slice });
}

eachDatabase("commits of another version", (open) => {
  it("F-F5 a commit that names what only a newer version has is kept whole, and applied when this replica has that version", async () => {
    const database = await open();
    const storage = await become(database, 0);
    await enrol(database);
    const words = insertOf("note", { tenant_id: tenant, id: "a", words: "hay", mood: null, pinned: "true" });
    const tag = insertOf("tag", { tenant_id: tenant, id: "x", label: "new" });
    const old = insertOf("note", { tenant_id: tenant, id: "b", body: "straw", mood: null });
    const commits = chain([1, 2, 2], [old, words, tag]);
    const { outcomes, position } = await push(storage, commits, 1);
    expect(position).toBe(3);
    expect(outcomes.map(({ seq, code, truth }) => ({ seq, code, truth }))).toEqual([
      { seq: 2, code: "refused-schema", truth: [] },
      { seq: 3, code: "refused-schema", truth: [] },
    ]);
    const held = await listQuarantine(database, tenant);
    expect(held.map(({ commit, retryable }) => ({ changes: commit.changes, retryable }))).toEqual([
      { changes: [words], retryable: true },
      { changes: [tag], retryable: true },
    ]);
    expect(await storage.releaseHeld(tenant)).toBe(0);

    // A version beyond the one that they need does as well.
    const upgraded = await become(database, 2);
    expect(await upgraded.releaseHeld(tenant)).toBe(2);
    expect(await listQuarantine(database, tenant)).toEqual([]);
    const notes = await database.query("select id, words, pinned from note order by id");
    expect(notes.rows).toEqual([
      { id: "a", words: "hay", pinned: true },
      { id: "b", words: "straw", pinned: false },
    ]);
    expect((await database.query("select label, weight from tag")).rows).toEqual([{ label: "new", weight: null }]);
    const told = await push(upgraded, commits, 3);
    expect(told.outcomes.map(({ seq, outcome }) => ({ seq, outcome }))).toEqual([
      { seq: 2, outcome: "applied" },
      { seq: 3, outcome: "applied" },
    ]);
    await database.close();
  });

  it("F-F5 what waited unread is held against the rights of its author before it is applied", async () => {
    const database = await open();
    const storage = await become(database, 0);
    await enrol(database);
    const place = insertOf("place", { tenant_id: tenant, id: "p", name: "Forged", colour: "red" });
    const foreign = insertOf("tag", { tenant_id: "another", id: "x", label: "new" });
    await push(storage, chain([2, 2], [place, foreign]), 1);
    const upgraded = await become(database, 1);
    expect(await upgraded.releaseHeld(tenant)).toBe(0);
    const held = await listQuarantine(database, tenant);
    expect(held.map(({ code }) => code)).toEqual(["refused-writer", "refused-scope"]);
    expect((await database.query("select 1 from place union all select 1 from tag")).rows).toEqual([]);
    await database.close();
  });

  it("F-F5 a child's insert cannot pass for one that a lens has filled", async () => {
    const database = await open();
    const storage = await become(database, 1);
    await enrol(database);
    const marked = insertOf("note", { tenant_id: tenant, id: "a", words: "hay", mood: null, pinned: "true", $changed: "words" });
    const { outcomes } = await push(storage, chain([2], [marked]), 2);
    expect(outcomes).toMatchObject([{ code: "refused-schema" }]);
    await database.close();
  });

  it("F-F1 F-F6 an older author's rows meet newer ones the same way whichever comes first", async () => {
    const older = insertOf("note", { tenant_id: tenant, id: "a", body: "of the older", mood: null });
    const newer = insertOf("note", { tenant_id: tenant, id: "a", words: "of the newer", pinned: "true" });
    const results: unknown[] = [];
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const database = await open();
      const storage = await become(database, 2);
      await enrol(database);
      // The newer version's commit is the earlier of the two, so the words are the older author's.
      const [early] = chain([3], [newer]);
      const [late] = chain([1], [older]);
      const commits = [early, late].map((commit, place): Commit => {
        if (commit === undefined) throw new Error("a chain has its commits");
        const stamped = { ...commit, stamp: (BigInt(Date.UTC(2026, 0, 1)) << 16n) + BigInt(place) };
        return { ...stamped, hash: commitHash(stamped) };
      });
      for (const place of order)
        await push(
          storage,
          [commits[place] ?? commits[0]].flatMap((commit) => commit ?? []),
          place === 0 ? 3 : 1,
        );
      results.push((await database.query("select id, words, pinned from note")).rows);
      await database.close();
    }
    expect(results).toEqual([
      [{ id: "a", words: "of the older", pinned: true }],
      [{ id: "a", words: "of the older", pinned: true }],
    ]);
  });
});
