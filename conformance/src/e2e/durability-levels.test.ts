import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DurabilityLevel } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { freshPglite } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AckWitness } from "./ack-witness.ts";
import { countOf } from "./equal-tables.ts";
import { addMortality, countRows, type DurableTree, growDurableTree, levelsOf } from "./durable-tree.ts";
import { FleetNode, fleetTenant } from "./fleet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const SOON = { deadlineMs: 60_000 };

let tree: DurableTree;
beforeAll(async () => {
  tree = await growDurableTree();
});
afterAll(async () => await tree.end());

const only = (levels: readonly DurabilityLevel[]): readonly DurabilityLevel[] => [...new Set(levels)].toSorted();

describe("what acknowledgements say over real sessions", () => {
  // D0 claims nothing. D1: F-A2 of pglite-crash.test.ts kills such stores; power-cut.test.ts shows that they are not D2.
  it("durability D0 D1: a child in memory says D0, and a parent in files that are not synced D1", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "hayloft-relaxed-"));
    const parent = await FleetNode.start(await openPgliteDatabase({ dataDir, durable: false }), "cloud", 1);
    const witness = await AckWitness.before(parent.address.url);
    const child = await FleetNode.start(await freshPglite(), "edge", 1, parent, witness.syncUrl);
    await parent.note("above", "from above");
    const { receipt } = await child.replica.write(async (_, tx) => {
      await tx.query("insert into note (tenant_id, id, body) values ($1, 'below', 'from below')", [fleetTenant]);
    });
    await receipt?.until("parent", SOON);
    await until("the child's acknowledgement", () => witness.byChild.length > 0);
    expect(receipt === null ? [] : await levelsOf(receipt)).toEqual(["D0", "D1", null]);
    expect([only(witness.byParent), only(witness.byChild)]).toEqual([["D1"], ["D0"]]);
    await child.end();
    await parent.end();
    await witness.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  // F-A10 of power-cut.test.ts: a power cut at any moment, and every acknowledged row is there.
  it("durability D2: the edge daemon says D2 of what it stores, and takes from hub and tablet", async () => {
    const { edge, tablet, upper, lower } = tree;
    const own = await addMortality(edge.daemon.replica);
    const tablets = await addMortality(tablet.replica);
    await own.receipt.until("parent", SOON);
    await tablets.receipt.until("parent", SOON);
    expect((await levelsOf(own.receipt))[0]).toBe("D2");
    expect(await levelsOf(tablets.receipt)).toEqual(["D0", "D2", null]);
    expect([only(upper.byChild), only(lower.byChild), only(lower.byParent)]).toEqual([["D2"], ["D0"], ["D2"]]);
  });

  // F-E1 of kills.test.ts kills hubs, embedded-postgres.pg.test.ts the server: what was answered is there.
  it("durability D3: the hub waits for the sync of its server before it says D3, though its database has that off", async () => {
    const { hub, edge, upper } = tree;
    await hub.database.script(`
      create table waited (how text);
      create function note_waiting() returns trigger language plpgsql as
        $$ begin insert into waited values (current_setting('synchronous_commit')); return null; end $$;
      create trigger note_waiting after insert on barn_mortality_event for each row execute function note_waiting()`);
    const { id, receipt } = await addMortality(edge.daemon.replica);
    await receipt.until("parent", SOON);
    expect(await levelsOf(receipt)).toEqual(["D2", "D3", null]);
    expect(await countRows(hub.database, [id])).toBe(1);
    expect((await hub.database.query("select distinct how from waited")).rows).toEqual([{ how: "on" }]);
    expect(only(upper.byParent)).toEqual(["D3"]);
    await hub.database.script("drop trigger note_waiting on barn_mortality_event; drop function note_waiting; drop table waited");
  });
});

describe("a database of the hub that cannot take more", () => {
  const refuse = `create function refuse_rows() returns trigger language plpgsql as
    $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
    create trigger refuse_rows before insert on barn_mortality_event for each row execute function refuse_rows()`;
  const faults = [
    {
      what: "is read-only",
      begin: async () => await setReadOnly(true),
      end: async () => await setReadOnly(false),
      ready: { status: 503, reason: "database-read-only" },
    },
    {
      // No disk is filled: a trigger answers as a full one does.
      what: "has no room on its disk",
      begin: async () => await tree.hub.database.script(refuse),
      end: async () => {
        await tree.hub.database.script("drop trigger refuse_rows on barn_mortality_event; drop function refuse_rows");
      },
      ready: { status: 200, reason: null },
    },
  ];

  async function setReadOnly(on: boolean): Promise<void> {
    await tree.server.sql(
      `alter system ${on ? "set default_transaction_read_only = on" : "reset default_transaction_read_only"}`,
    );
    await tree.server.sql("select pg_reload_conf()");
    await until("the server has taken it over", async () => {
      const { rows } = await tree.hub.database.query<{ on: boolean }>(
        "select current_setting('transaction_read_only')::boolean as on",
      );
      return rows[0]?.on === on;
    });
  }

  it.each(faults)("F-E11 the database $what: the barn goes on, and all is at the hub once by itself", async (fault) => {
    const { hub, edge, tablet } = tree;
    await edge.drained();
    const quarantined = async (): Promise<readonly number[]> => {
      const found = [hub.database, edge.database, tablet.database].map(
        async (database) => await countOf(database, "hayloft.quarantine"),
      );
      return await Promise.all(found);
    };
    await fault.begin();
    const written = [await addMortality(edge.daemon.replica), await addMortality(tablet.replica)];
    await written[1]?.receipt.until("parent", SOON);
    await until("the reason at the edge", async () => {
      const { degraded } = (await edge.daemon.monitor.status()).ready;
      return degraded.some(({ part, problem }) => part === "hub" && problem === "unavailable");
    });
    const ready = await fetch(`${hub.url}/api/ready`);
    expect({ status: ready.status, reason: ((await ready.json()) as { reason: unknown }).reason }).toEqual(fault.ready);
    // Later ones, while it tries again and again.
    written.push(await addMortality(edge.daemon.replica), await addMortality(tablet.replica));
    const ids = written.map(({ id }) => id);
    await until("the tablet's rows at the edge", async () => (await countRows(edge.database, ids)) === ids.length);
    expect([await countRows(hub.database, ids), (await edge.daemon.monitor.status()).ready.ready]).toEqual([0, true]);
    expect(await edge.waiting()).toBeGreaterThanOrEqual(ids.length);
    expect(await quarantined()).toEqual([0, 0, 0]);
    await fault.end();
    await edge.drained();
    for (const { receipt } of written) expect(await receipt.until("top", SOON)).toEqual({ outcome: "applied", code: null });
    expect([await countRows(hub.database, ids), await quarantined()]).toEqual([ids.length, [0, 0, 0]]);
  });
});

describe("a second site of the hub", () => {
  // What is told to be safe is there when the site is lost: the end of this test, and failover.test.ts for what is not.
  it("F-E4 durability D4: it is told to the edge and through it to the tablet, of what the standby has and of nothing else", async () => {
    const { server, hub, edge, tablet, upper, lower } = tree;
    expect([...upper.byParent, ...lower.byParent]).not.toContain("D4");
    await server.follow();
    const early = [await addMortality(edge.daemon.replica), await addMortality(tablet.replica)];
    for (const { receipt } of early) expect(await receipt.until("safe", SOON)).toEqual({ outcome: "applied", code: null });
    expect(await Promise.all(early.map(async ({ receipt }) => await levelsOf(receipt)))).toEqual([
      ["D2", "D3", "D4"],
      ["D0", "D2", "D4"],
    ]);
    expect([only(upper.byParent), only(lower.byParent)]).toEqual([
      ["D3", "D4"],
      ["D2", "D4"],
    ]);
    await server.cutOff();
    await until("the hub hears no standby", () => hub.events.filter(({ event }) => event === "second-site-silent").length > 1);
    const late = [await addMortality(edge.daemon.replica), await addMortality(tablet.replica)];
    for (const { receipt } of late) await receipt.until("top", SOON);
    expect(await Promise.all(late.map(async ({ receipt }) => (await levelsOf(receipt))[2]))).toEqual([null, null]);
    await tablet.close();
    await edge.stop();
    await hub.stop();
    await server.failOver();
    const survived = await openPostgresDatabase({ connectionString: server.url("hub") });
    const there = async (of: typeof early): Promise<number> =>
      await countRows(
        survived,
        of.map(({ id }) => id),
      );
    expect([await there(early), await there(late)]).toEqual([2, 0]);
    await survived.close();
  });
});
