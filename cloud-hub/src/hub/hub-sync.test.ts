import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HayloftError, newId } from "@hayloft/engine";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { createDevice, setDeviceEnabled } from "../admin/devices.ts";
import { readOverview } from "../admin/hub-overview.ts";
import { getNode, restoreNode, revokeNode } from "../admin/nodes.ts";
import { createBarn } from "../admin/places.ts";
import { setTenantStatus } from "../admin/tenants.ts";
import { hubSettingsOf } from "../config/load-hub-settings.ts";
import { contactLimits } from "../watch/contact-limits.ts";
import type { TestChild, TestHub } from "../testing/test-hub.ts";
import { createTestFarm, enrolTestNode, openTestChild, startTestHub } from "../testing/test-hub.ts";
import { waitFor } from "../testing/wait-for.ts";

let hub: TestHub;
let one: TestChild;
let two: TestChild;

const connected = (child: TestChild): boolean => hub.replica.children().some(({ node }) => node === child.identity.nodeId);
const barnName = async (child: TestChild, id: string): Promise<string | undefined> =>
  (await child.database.query<{ name: string }>("select name from barns where id = $1", [id])).rows[0]?.name;

const writeReading = async (child: TestChild, tenant: string): Promise<string> => (await sendReading(child, tenant)).id;

async function sendReading(child: TestChild, tenant: string) {
  const id = newId();
  const { receipt } = await child.replica.write(async (_db, tx) => {
    await tx.query(
      `insert into telemetry_raw (tenant_id, id, farm_id, barn_id, device_id, metric, value, unit, occurred_at, event_id)
       values ($1, $2, $3, $4, 'd-1', 'temperature', 21.5, 'C', now(), $5)`,
      [tenant, id, `${tenant}-f`, `${tenant}-b`, newId()],
    );
  });
  return { id, receipt };
}

const atHub = async (id: string): Promise<boolean> =>
  (await hub.database.query("select 1 from telemetry_raw where id = $1", [id])).rows.length === 1;

beforeAll(async () => {
  hub = await startTestHub();
  for (const tenant of ["t-1", "t-2"]) await createTestFarm(hub.database, tenant);
  one = await openTestChild(hub, await enrolTestNode(hub, "t-1"));
  two = await openTestChild(hub, await enrolTestNode(hub, "t-2"));
  await waitFor(
    "both children connect and fill",
    async () => (await barnName(one, "t-1-b")) !== undefined && (await barnName(two, "t-2-b")) !== undefined,
  );
});

afterAll(async () => {
  await one.close();
  await two.close();
  await hub.end();
});

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

const insertBarn = "insert into barns (tenant_id, farm_id, id, name) values ($1::text, $1::text || '-f', $2, $2)";

describe("a hub with children of several tenants", () => {
  it("S5.8 master data written by plain SQL at the hub are visible at the child in under a second", async () => {
    const tookMs: number[] = [];
    for (const round of [1, 2, 3, 4, 5]) {
      const startedMs = performance.now();
      await hub.database.query("update barns set name = $1 where tenant_id = 't-1' and id = 't-1-b'", [`Round ${round}`]);
      await waitFor("the new name", async () => (await barnName(one, "t-1-b")) === `Round ${round}`, 5_000);
      tookMs.push(performance.now() - startedMs);
    }
    // The median: this machine may be busy with other tests.
    expect(tookMs.toSorted((a, b) => a - b)[2]).toBeLessThan(1_000);
    expect(await barnName(two, "t-1-b")).toBeUndefined();
  });

  it("S5.19 S5.20 a device made and disabled at the hub is allowed and denied at the edge without SQL on site", async () => {
    const allowed = async (): Promise<boolean | undefined> =>
      (await one.database.query<{ enabled: boolean }>("select enabled from device_allowlist where device_id = 'd-new'")).rows[0]
        ?.enabled;
    await createDevice(hub.database, { tenant: "t-1", id: "d-new", deviceType: "sensor-gateway", barn: "t-1-b" });
    await waitFor("the device", async () => (await allowed()) === true);
    await setDeviceEnabled(hub.database, "t-1", "d-new", false);
    await waitFor("the denial", async () => (await allowed()) === false);
  });

  it("S5.4 several tenants send at once, and each child has rows of its own tenant only", async () => {
    const ids = await Promise.all([
      ...Array.from({ length: 5 }, async () => await writeReading(one, "t-1")),
      ...Array.from({ length: 5 }, async () => await writeReading(two, "t-2")),
    ]);
    await waitFor(
      "all readings",
      async () => (await hub.database.query("select 1 from telemetry_raw where id = any($1)", [ids])).rows.length === ids.length,
    );
    for (const [child, tenant] of [
      [one, "t-1"],
      [two, "t-2"],
    ] as const) {
      for (const table of ["tenants", "farms", "barns", "telemetry_raw", "replica_node", "device_allowlist"]) {
        const { rows } = await child.database.query<{ tenant_id: string }>(`select distinct tenant_id from ${table}`);
        expect([table, rows.map((row) => row.tenant_id).filter((id) => id !== tenant)]).toEqual([table, []]);
      }
    }
  });

  it("S5.1 no email and no password leaves the hub, while the person does", async () => {
    const id = newId();
    await hub.database.query(
      "insert into users (tenant_id, id, email, password, display_name) values ('t-1', $1, 'secret@example.org', 'argon2$hash', 'Ann')",
      [id],
    );
    await waitFor(
      "the person",
      async () =>
        (await one.database.query("select 1 from farm_users where id = $1 and display_name = 'Ann'", [id])).rows.length === 1,
    );
    const tables = await one.database.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('public', 'hayloft')`,
    );
    for (const { name } of tables.rows) {
      const { rows } = await one.database.query<{ found: number }>(
        `select count(*) as found from ${name} as t where t::text ~ 'secret@example|argon2'`,
      );
      expect([name, rows[0]?.found]).toEqual([name, 0]);
    }
  });

  it("durability D3: a hub whose server does not sync its files says D1, and its operator reads why", async () => {
    const { receipt } = await sendReading(one, "t-1");
    await receipt?.until("parent", { deadlineMs: 30_000 });
    expect((await receipt?.read())?.parent.level).toBe("D1");
    expect(hub.events.map(({ event }) => event)).toContain("database-not-durable");
  });

  it("F-G3 a revoked node is cut off at once and stays out until it is restored; what it sent stays", async () => {
    const before = await writeReading(one, "t-1");
    await waitFor("the reading", async () => await atHub(before));
    const startedMs = performance.now();
    await revokeNode(hub.database, one.identity.nodeId);
    await waitFor("the end of the session", () => !connected(one), 5_000);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    const held = await writeReading(one, "t-1");
    const refusals = (): number =>
      one.events.filter((event) => event.details["code"] === "auth-failed" || event.error?.code === "auth-failed").length;
    await waitFor("a refused attempt", () => refusals() > 0, 30_000);
    expect([await atHub(before), await atHub(held), connected(one)]).toEqual([true, false, false]);
    expect(connected(two)).toBe(true);
    await restoreNode(hub.database, one.identity.nodeId);
    await waitFor("the held reading", async () => await atHub(held), 60_000);
  }, 120_000);

  it("F-G3 S5.3 plain SQL revokes too", async () => {
    const extra = await openTestChild(hub, await enrolTestNode(hub, "t-1"));
    await waitFor("the session", () => connected(extra));
    await hub.database.query("update replica_node set status = 'revoked' where id = $1", [extra.identity.nodeId]);
    await waitFor("the end of the session", () => !connected(extra), 2_000);
    await extra.close();
  });

  it("S5.4 a suspended tenant stops sending, its data stay, and it goes on when it is activated", async () => {
    const before = await writeReading(two, "t-2");
    await waitFor("the reading", async () => await atHub(before));
    await setTenantStatus(hub.database, "t-2", "suspended");
    await waitFor("the end of the session", () => !connected(two), 5_000);
    const held = await writeReading(two, "t-2");
    expect([await atHub(before), await atHub(held), connected(one)]).toEqual([true, false, true]);
    await setTenantStatus(hub.database, "t-2", "active");
    await waitFor("the held reading", async () => await atHub(held), 60_000);
  }, 120_000);

  it("F-E10 a transaction left open over a tenant's log delays that tenant alone, and its age is told", async () => {
    const client = await openPostgresDatabase({ connectionString: hub.databaseUrl, poolMax: 1 });
    const [sealed, end, undone] = [gate(), gate(), new Error("given up")];
    const left = client.transaction(async (tx) => {
      await tx.query(insertBarn, ["t-1", newId()]);
      // Sealed before its commit, it holds what all of its tenant need to commit.
      await tx.script("set constraints all immediate");
      sealed.open();
      await end.opened;
      throw undone;
    });
    await sealed.opened;
    // As many as the pool has connections wait for the tenant: none would be left for another.
    const waiting = Array.from({ length: 10 }, async () => {
      const code = (error: unknown): unknown => (error instanceof HayloftError ? error.details["sqlstate"] : error);
      return await hub.database.query(insertBarn, ["t-1", newId()]).then(() => "done", code);
    });
    const [mine, theirs] = [await writeReading(one, "t-1"), await writeReading(two, "t-2")];
    await waitFor("the other tenant's reading", async () => await atHub(theirs), 60_000);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 10 }, () => "55P03"));
    expect((await readOverview(hub.database)).oldest_transaction_seconds).toBeGreaterThan(4);
    end.open();
    await expect(left).rejects.toBe(undone);
    await waitFor("its own reading", async () => await atHub(mine), 90_000);
    await client.close();
  }, 180_000);

  it("S14.7 the hub knows by itself who is connected and who is not", async () => {
    const watch = () => ({
      nowMs: Date.now(),
      limits: contactLimits(hubSettingsOf({})),
      connected: new Set(hub.replica.children().map((child) => child.node)),
    });
    const contact = async (afterMs: number, isConnected: boolean) =>
      (
        await getNode(hub.database, one.identity.nodeId, {
          ...watch(),
          nowMs: Date.now() + afterMs,
          ...(isConnected ? {} : { connected: new Set<string>() }),
        })
      ).contact;
    await waitFor("a contact", async () => (await getNode(hub.database, one.identity.nodeId, watch())).last_contact_at);
    expect(await contact(0, false)).toBe("online");
    expect(await contact(6 * 60_000, false)).toBe("late");
    expect(await contact(2 * 60 * 60_000, false)).toBe("silent");
    expect(await contact(25 * 60 * 60_000, false)).toBe("lost");
    expect(await contact(25 * 60 * 60_000, true)).toBe("online");
  });

  it("F-E4 a second site that does not say how far it is is logged once, and its lag is not shown as zero", async () => {
    const alone = await startTestHub({ "database.second_site": "standby" });
    try {
      await waitFor("a look", () => alone.events.some(({ event }) => event === "second-site-silent"));
      const metrics = await (await fetch(`${alone.url}/metrics`)).text();
      expect(metrics).not.toMatch(/^db_second_site_behind_bytes /m);
      expect(alone.events.filter(({ event }) => event === "second-site-silent")).toHaveLength(1);
    } finally {
      await alone.end();
    }
  });

  it("F-E2 two hub processes on one database are one node, and a change through one reaches a child of the other", async () => {
    const second = await (await import("./start-hub.ts")).startHub({ "http.port": 0 }, { databaseUrl: hub.databaseUrl });
    expect(second.nodeId).toBe(hub.nodeId);
    const extra = await openTestChild(second, await enrolTestNode(second, "t-1"));
    await waitFor("the session at the second hub", () => second.replica.children().length === 1);
    await createBarn(hub.database, { tenant: "t-1", farm: "t-1-f", id: "t-1-new", name: "New" });
    await waitFor("the barn by way of the second hub", async () => (await barnName(extra, "t-1-new")) === "New");
    const id = await writeReading(extra, "t-1");
    await waitFor("the reading", async () => await atHub(id));
    await extra.close();
    await second.stop();
  });
});
