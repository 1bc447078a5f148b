import { chmodSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { pruneLog } from "../log/prune-log.ts";
import { eventually, Harbour, harbourCatalog, type HarbourReplica, tenant } from "../replica/testing/harbour.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { readStoredElsewhere } from "../store/postgres/stored-elsewhere.ts";
import { StandbyPostgres } from "../testing/standby-postgres.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { RestorableHub, seen, ServerHold, Ship, sight } from "./test-copies.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

const DAY_MS = 86_400_000;

/** What a hub does every few seconds. Returns whether anybody could say how far the second site is. */
async function tellSafe(hub: HarbourReplica): Promise<boolean> {
  const stored = await readStoredElsewhere(hub.database, "standby");
  if (stored !== null) await hub.storedElsewhere(stored.wal);
  return stored !== null;
}

async function saw(edge: HarbourReplica, what: string): Promise<{ tenant: string; origin: string; seq: number }> {
  await sight(edge, what);
  const { rows } = await edge.database.query<{ origin: string; seq: number }>(
    "select origin, seq from hayloft.commit where tenant_id = $1 order by position desc limit 1",
    [tenant],
  );
  const [last] = rows;
  if (last === undefined) throw new Error("nothing was written");
  return { tenant, origin: last.origin, seq: last.seq };
}

it(
  "F-E4 durability D4: what is told to be safe survives the loss of the hub's site, and an edge keeps the rest until a standby that lagged took over",
  { timeout: 180_000 },
  async () => {
    const root = await tempDir();
    chmodSync(root, 0o755);
    const server = await StandbyPostgres.start(root);
    harbour.onClose(async () => await server.stop());
    await server.sql("create database hub");
    await server.follow();
    const open = async () => await openPostgresDatabase({ connectionString: server.url("hub"), poolMax: 5 });
    const hub = new RestorableHub(harbour);
    const first = await hub.start(await open());
    const ship = await Ship.enrolled(first, await ServerHold.make());
    const edge = await ship.start();

    const early = edge.receipt(await saw(edge, "e1"));
    await early.until("parent", { deadlineMs: 15_000 });
    expect((await early.read()).safe).toEqual({ reached: false, at: null, level: null });
    await eventually(
      async () => [await tellSafe(first.hub), (await early.read()).safe.reached],
      ([told, reached]) => told === true && reached === true,
    );
    expect(await early.until("safe")).toEqual({ outcome: "applied", code: null });
    const { safe } = await early.read();
    expect([safe.level, safe.at instanceof Date]).toEqual(["D4", true]);

    await server.cutOff();
    const late = edge.receipt(await saw(edge, "e2"));
    await late.until("parent", { deadlineMs: 15_000 });
    await eventually(
      async () => await tellSafe(first.hub),
      (told) => !told,
    );
    expect((await late.read()).safe.reached).toBe(false);

    // Both are acknowledged and old: only the safe one goes.
    const kept = async (at: HarbourReplica, nowMs: number): Promise<readonly unknown[]> => {
      await pruneLog(at.database, harbourCatalog, { olderThanMs: DAY_MS, nowMs, hasParent: true });
      const { rows } = await at.database.query(
        "select seq from hayloft.commit where tenant_id = $1 and via is null order by seq",
        [tenant],
      );
      return rows;
    };
    expect(await kept(edge, Date.now() + 2 * DAY_MS)).toEqual([{ seq: 2 }]);

    await hub.stop();
    await server.failOver();
    const again = await hub.start(await open());
    expect(await seen(again.hub)).toBe("e1");
    expect(harbour.events).toContainEqual(expect.objectContaining({ event: "database-restored" }));
    await ship.stop();
    const back = await ship.start({ parent: again.parent });
    await eventually(
      async () => await seen(again.hub),
      (text) => text === "e1 e2",
    );
    // Nobody says that the rest is safe, and it does not stay for ever.
    expect(await kept(back, Date.now() + 40 * DAY_MS)).toEqual([]);
  },
);
