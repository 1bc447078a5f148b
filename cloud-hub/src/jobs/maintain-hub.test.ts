import type { Database } from "@hayloft/engine";
import { freshPostgres } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTenant } from "../admin/tenants.ts";
import { createToken } from "../admin/tokens.ts";
import { hubSettingsOf } from "../config/load-hub-settings.ts";
import { prepareDatabase } from "../hub/prepare-database.ts";
import { maintainHub } from "./maintain-hub.ts";
import { RepeatingJob } from "./repeating-job.ts";
import { waitFor } from "../testing/wait-for.ts";

const dayMs = 24 * 60 * 60_000;
const settings = hubSettingsOf({ "maintenance.partitions_ahead_months": 2, "retention.acked_change_days": 10 });
let database: Database;

beforeAll(async () => {
  database = await freshPostgres();
  await prepareDatabase(database, null);
});

afterAll(async () => await database.close());

describe("maintainHub", () => {
  it("S8.4 partitions are made ahead of the clock, once", async () => {
    const atMs = Date.UTC(2031, 10, 30);
    const first = await maintainHub(database, settings, atMs);
    expect(first.partitions).toEqual(
      expect.arrayContaining(["telemetry_raw_p2031_11", "telemetry_raw_p2031_12", "telemetry_raw_p2032_01"]),
    );
    expect((await maintainHub(database, settings, atMs)).partitions).toEqual([]);
    const both = await Promise.all([1, 2].map(async () => await maintainHub(database, settings, atMs + 40 * dayMs)));
    expect(both.map((done) => done.partitions.length).toSorted((a, b) => a - b)[0]).toBe(0);
  });

  it("prunes commits older than the retention and keeps the rows", async () => {
    await createTenant(database, { id: "t-1", name: "One" });
    const commits = async (): Promise<number> =>
      (await database.query<{ count: number }>("select count(*) as count from hayloft.commit where tenant_id = 't-1'")).rows[0]
        ?.count ?? -1;
    expect(await commits()).toBe(1);
    await maintainHub(database, settings, Date.now() + 9 * dayMs);
    expect(await commits()).toBe(1);
    expect((await maintainHub(database, settings, Date.now() + 11 * dayMs)).prunedCommits).toBe(1);
    expect(await commits()).toBe(0);
    expect((await database.query("select 1 from tenants where tenant_id = 't-1'")).rows).toHaveLength(1);
  });

  it("deletes tokens long after they expired", async () => {
    const nowMs = Date.now();
    await createToken(database, { tenant: "t-1", tier: "edge", role: "viewer", ttlMs: dayMs }, nowMs);
    expect((await maintainHub(database, settings, nowMs + 90 * dayMs)).deletedTokens).toBe(0);
    expect((await maintainHub(database, settings, nowMs + 92 * dayMs)).deletedTokens).toBe(1);
  });
});

describe("RepeatingJob", () => {
  it("goes on after a failure, logs it without its values, and stops for good", async () => {
    const events: string[] = [];
    let runs = 0;
    const job = new RepeatingJob(
      "test",
      1,
      (event) => events.push(event.event),
      async () => {
        runs += 1;
        await Promise.resolve();
        if (runs === 1) throw new Error("first");
      },
    );
    await waitFor("a second run", () => runs >= 2);
    await job.stop();
    const at = runs;
    await job.stop();
    expect(events).toEqual(["job-failed"]);
    expect(runs).toBe(at);
  });
});
