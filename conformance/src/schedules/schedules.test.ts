import type { Database } from "@hayloft/engine";
import { stampOfMs } from "@hayloft/engine";
import { freshPglite, freshPostgres } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../e2e/until.ts";
import { TENANT } from "./mixed-catalog.ts";
import { runSchedule } from "./run-schedule.ts";
import { ThreeTiers, type Tier } from "./three-tiers.ts";

/** `HAYLOFT_SCHEDULES=1000 HAYLOFT_SCHEDULE_SEED=1 npx vitest run schedules` runs as many, from that seed on. */
const runs = Number(process.env["HAYLOFT_SCHEDULES"] ?? 6);
const first = Number(process.env["HAYLOFT_SCHEDULE_SEED"] ?? 1);
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

let edgeAheadMs = 0;
let tiers: ThreeTiers;
beforeAll(async () => {
  const databases = { hub: await freshPostgres(), edge: await freshPglite(), tablet: await freshPglite() };
  tiers = await ThreeTiers.start(databases, { edge: { nowMs: () => Date.now() + edgeAheadMs } });
}, 120_000);
afterAll(async () => await tiers.end(), 60_000);

describe("three replicas on real databases", () => {
  it(
    "whatever is written where while links come and go: equal rows and journals, and nothing that counts is lost",
    { timeout: 60_000 + runs * 10_000 },
    async () => {
      const totals = { transactions: 0, partitions: 0, restarts: 0 };
      const startMs = performance.now();
      for (let seed = first; seed < first + runs; seed += 1) {
        const counts = await runSchedule(tiers, seed);
        for (const name of ["transactions", "partitions", "restarts"] as const) totals[name] += counts[name];
      }
      const tookMs = Math.round(performance.now() - startMs);
      process.stdout.write(
        `${String(runs)} schedules from seed ${String(first)}: ${JSON.stringify(totals)} in ${String(tookMs)} ms\n`,
      );
      expect(totals.transactions).toBeGreaterThanOrEqual(runs * 6);
    },
  );

  it(
    "F-C3 F-C5 an edge whose clock is a day ahead, and its tablet, end with the hub, by the hub's time, also after a restart",
    { timeout: 120_000 },
    async () => {
      const { hub, edge, tablet } = tiers;
      const write = async ({ replica }: Tier, sql: string): Promise<void> =>
        void (await replica.write(async (_, tx) => await tx.query(sql)));
      const title = async ({ database }: { readonly database: Database }): Promise<unknown> =>
        (await database.query<{ title: string }>("select title || ' ' || stock as title from card where id = 'clocks'")).rows[0]
          ?.title;
      await write(
        hub,
        `insert into card (tenant_id, run, id, title, stock) values ('${TENANT}', 'clocks', 'clocks', 'first', 10)`,
      );
      await tiers.settle();
      edge.wire?.hold();
      edgeAheadMs = DAY_MS;
      await tiers.restart(edge);
      // What its database stamps from here on is as wrong as the clock.
      await edge.database.query("update hayloft.head set stamp = $1 where tenant_id = $2", [
        stampOfMs(Date.now() + DAY_MS),
        TENANT,
      ]);
      await write(edge, "update card set title = 'edge', stock = stock - 1 where id = 'clocks'");
      await until("the tablet follows", async () => (await title(tablet)) === "edge 9");
      await write(tablet, "update card set title = 'tablet', stock = stock - 2 where id = 'clocks'");
      await until("the edge takes it", async () => (await title(edge)) === "tablet 7");
      await write(hub, "update card set stock = stock + 100 where id = 'clocks'");
      await tiers.settle();
      for (const tier of tiers.all) expect(await title(tier)).toBe("tablet 107");
      const parentOf = async (tier: Tier) => (await tier.replica.status()).peers.find(({ relation }) => relation === "parent");
      expect((await parentOf(edge))?.skewMs).toBeLessThan(-DAY_MS + MINUTE_MS);
      await tiers.restart(tablet);
      await until("the tablet is back", async () => (await parentOf(tablet))?.connected === true);
      // The edge tells its tablet the hub's time.
      expect(Math.abs((await parentOf(tablet))?.skewMs ?? DAY_MS)).toBeLessThan(MINUTE_MS);
      await tiers.restart(edge);
      await write(edge, "update card set title = 'edge again' where id = 'clocks'");
      await tiers.settle();
      await write(hub, "update card set title = 'hub' where id = 'clocks'");
      await tiers.settle();
      // The tablet's clock still follows what the edge once said; its next commit is turned away and stamped again.
      await write(tablet, "update card set stock = stock + 1 where id = 'clocks'");
      await tiers.settle();
      for (const tier of tiers.all) {
        expect(await title(tier)).toBe("hub 108");
        const { rows } = await tier.database.query<{ stamp: string; held: number }>(
          `select h.stamp::text as stamp, (select count(*)::int from hayloft.quarantine) as held from hayloft.head h where h.tenant_id = $1`,
          [TENANT],
        );
        expect([BigInt(rows[0]?.stamp ?? 0) < stampOfMs(Date.now() + MINUTE_MS), rows[0]?.held]).toEqual([true, 0]);
      }
      edgeAheadMs = 0;
    },
  );
});
