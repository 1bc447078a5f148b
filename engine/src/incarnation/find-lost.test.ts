import { afterEach, beforeEach, expect, it } from "vitest";
import { BARN, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { SqlReplicaStorage } from "../replica/sql-replica-storage.ts";
import { eventually } from "../replica/testing/harbour.ts";
import { freshPostgres } from "../testing/fresh-postgres.ts";
import { readRecovery } from "./read-recovery.ts";

let cloud: TestReplica;
beforeEach(async () => {
  cloud = await TestReplica.open(freshPostgres, "cloud");
});
afterEach(async () => await cloud.close());

const children = [newId(), newId(), newId()].toSorted();

it("F-E5 children that show at the same time what a restored parent lost begin its log anew once, and each is noted", async () => {
  const { database, catalog, nodeId } = cloud;
  const markSecret = new Uint8Array(32).fill(7);
  const storage = new SqlReplicaStorage({ database, catalog, nodeId, tier: "cloud", hasParent: false, markSecret });
  for (const name of ["one", "two", "three"]) await cloud.sql(BARN, [name, name]);
  const grant = { tenant: TENANT, tier: "edge", role: "node", scopes: {} };
  const read = { tenant: TENANT, after: 0, towards: "down", grant, bytesMax: 1e9, rowsMax: 1e9 } as const;
  const { incarnation, upTo, mark } = await storage.readLog({ ...read, peer: children[0] ?? "" });
  expect(mark).toBeDefined();
  const received = [{ tenant: TENANT, incarnation, position: upTo, ...(mark && { mark }) }];

  // Set back by its last commit.
  await database.transaction(async (tx) => {
    await tx.query("set local hayloft.applying = 'on'");
    await tx.query("delete from hayloft.commit where tenant_id = $1 and position = $2", [TENANT, upTo]);
    await tx.query("update hayloft.head set position = position - 1 where tenant_id = $1", [TENANT]);
  });
  let release = (): void => undefined;
  let hold = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const held = new Promise<void>((resolve) => (hold = resolve));
  const holding = database.transaction(async (tx) => {
    await tx.query("select 1 from hayloft.head where tenant_id = $1 for update", [TENANT]);
    hold();
    await released;
  });
  // No child may come before it: its session would end while the others still wait.
  await Promise.race([held, holding]);
  const found = Promise.all(children.map(async (peer) => await storage.findLost(peer, { received, heads: [] })));
  // All of them have seen the old log before the first can begin it anew.
  const waiting = `select count(*)::integer as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%hayloft.head%'`;
  try {
    const all = eventually(
      async () => (await database.query<{ waiting: number }>(waiting)).rows[0]?.waiting,
      (count) => count === children.length,
    );
    // One that fails says why.
    await Promise.race([all, found]);
  } finally {
    release();
    await holding;
  }
  expect(await found).toEqual(children.map(() => [TENANT]));
  const report = await readRecovery(database);
  expect(report.logs.map(({ tenant }) => tenant)).toEqual([TENANT]);
  expect(report.children.map(({ node }) => node).toSorted()).toEqual(children);
});
