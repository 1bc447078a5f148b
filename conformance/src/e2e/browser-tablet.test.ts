import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createToken } from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import type { IdentityRecord } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openChromium } from "../browser/open-chromium.ts";
import type { TabletPage } from "../browser/page-main.ts";
import type { ServedPage } from "../browser/serve-page.ts";
import { servePage } from "../browser/serve-page.ts";
import { countOf } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

declare const tablet: TabletPage;

const plan = planFarm("t-web", "f-web", 1);
const { tenant, farm } = plan;
const barn = plan.barns[0]?.barn ?? "";

let served: ServedPage;
let hub: TestHub;
let profile: string;
let context: BrowserContext;

beforeAll(async () => {
  served = await servePage();
  hub = await TestHub.start({ "http.origins": [served.origin] });
  await enterFarm(hub.database, plan);
  profile = await mkdtemp(join(tmpdir(), "hayloft-chromium-"));
  context = await openChromium(profile);
});

afterAll(async () => {
  await context.close();
  await hub.end();
  await served.close();
  await rm(profile, { recursive: true, force: true });
});

async function load(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(served.origin);
  await page.waitForFunction(() => "tablet" in globalThis);
  return page;
}

async function enrol(page: Page): Promise<IdentityRecord> {
  const made = await page.evaluate(() => tablet.createIdentity());
  const { token } = await createToken(
    hub.database,
    { tenant, tier: "tablet", role: "house_operator", ttlMs: 600_000 },
    Date.now(),
  );
  const response = await fetch(`${hub.url}/api/v1/enrol`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token, publicKey: Buffer.from(made.publicKey).toString("base64url"), name: "web", tier: "tablet" }),
  });
  const { nodeId } = (await response.json()) as { readonly nodeId: string };
  return { nodeId, tier: "tablet", tenant, privateKey: made.privateKey };
}

const address = (): Parameters<TabletPage["open"]>[0]["parent"] => {
  const { nodeId, publicKey } = hub.hub;
  return { url: `${hub.url.replace(/^http/, "ws")}/sync`, node: nodeId, publicKey: [...publicKey] };
};

const open = async (page: Page, identity: IdentityRecord, more: Partial<Parameters<TabletPage["open"]>[0]> = {}): Promise<void> =>
  await page.evaluate(async (options) => await tablet.open(options), { store: null, identity, parent: address(), ...more });

/**
 * Has the worker's browser give no more room, as IndexedDB shows it: the transaction ends, and what it had written is gone. The quota that Chromium lets a debugger
 * set does not bind IndexedDB.
 */
function useUpQuota(full: boolean): void {
  const { prototype } = IDBObjectStore;
  const whole = Object.getOwnPropertyDescriptor(prototype, "whole") ?? Object.getOwnPropertyDescriptor(prototype, "put");
  if (whole === undefined) return;
  const refuse = function (this: IDBObjectStore): never {
    this.transaction.abort();
    throw new DOMException("no more room", "QuotaExceededError");
  };
  Object.defineProperties(prototype, { whole, put: full ? { ...whole, value: refuse } : whole });
}

/** Writes a death and returns the commit's name. */
const note = async (page: Page, id: string, level: "top" | null) =>
  await page.evaluate(async ([text, values, wanted]) => await tablet.write(text, values, wanted), [
    ...record(id, 1),
    level,
  ] as const);

const knowsBarn = async (page: Page): Promise<void> => {
  await until("the barn", async () => {
    const rows = await page.evaluate(async () => await tablet.query("select id from barns"));
    return rows.some((row) => row["id"] === barn);
  });
};

const record = (id: string, count: number): [string, (string | number)[]] => [
  `insert into barn_mortality_event (tenant_id, id, farm_id, barn_id, occurred_at, animal_count)
    values ($1, $2, $3, $4, '2026-11-20 08:00:00+00', $5)`,
  [tenant, id, farm, barn, count],
];

describe("a tablet in a browser", () => {
  it("takes its master data over a WebSocket of the page, and what it writes is at the hub", async () => {
    const page = await load();
    await open(page, await enrol(page));
    expect(await page.evaluate(() => tablet.durability())).toBe("D0");
    await knowsBarn(page);
    const id = newId();
    const [sql, parameters] = record(id, 4);
    await page.evaluate(async ([text, values]) => await tablet.write(text, values, "top"), [sql, parameters] as const);
    expect(await countOf(hub.database, "barn_mortality_event where id = $1 and animal_count = 4", [id])).toBe(1);
    await hub.database.query("update barns set name = 'Seen in a page' where id = $1", [barn]);
    await until("the barn's new name", async () => {
      const rows = await page.evaluate(async () => await tablet.query("select name from barns"));
      return rows.some((row) => row["name"] === "Seen in a page");
    });
    await page.evaluate(async () => await tablet.close());
    await page.close();
  });

  it("F-A15 what a page has committed is there after its tab was closed, and only one page has the store open", async () => {
    const [page, second] = [await load(), await load()];
    // What it would begin with is not there, so it makes a store itself.
    await page.evaluate(async () => await tablet.openStore("kept", "missing.tar.gz"));
    await page.evaluate(async () => {
      await tablet.sql("create table kept (id integer primary key)");
      await tablet.sql("insert into kept select generate_series(1, 100)");
    });
    const locked = second.evaluate(async () => await tablet.openStore("kept"));
    await expect(locked).rejects.toThrow("store-locked");
    // The page goes without a word.
    await page.close();
    await second.evaluate(async () => await tablet.openStore("kept"));
    expect(await second.evaluate(async () => await tablet.sql("select count(*)::integer as count from kept"))).toEqual([
      { count: 100 },
    ]);
    await second.close();
  });

  it("F-A15 O15 with the browser's quota used up a write fails as store-full, and done again when there is room it is there once, also after the tab is gone", async () => {
    const page = await load();
    const quota = async (full: boolean): Promise<void> => await page.workers()[0]?.evaluate(useUpQuota, full);
    await page.evaluate(async () => await tablet.openStore("full"));
    await page.evaluate(async () => await tablet.sql("create table seen (id integer primary key, body text)"));
    await quota(true);
    const write = async (): Promise<unknown> =>
      await page.evaluate(
        async () =>
          await tablet.sql(
            "insert into seen select g, repeat(md5(g::text), 3000) from generate_series(1, 40) g on conflict do nothing",
          ),
      );
    await expect(write()).rejects.toThrow("store-full");
    await quota(false);
    await write();
    await page.close();
    const again = await load();
    await again.evaluate(async () => await tablet.openStore("full"));
    expect(await again.evaluate(async () => await tablet.sql("select count(*)::integer as count from seen"))).toEqual([
      { count: 40 },
    ]);
    await again.close();
  });

  it("F-A15 O3 whose storage the browser took away begins anew, gets back what had arrived, and tells which changes died", async () => {
    const page = await load();
    const identity = await enrol(page);
    await open(page, identity, { store: "evicted" });
    await knowsBarn(page);
    const [arrived, died] = [newId(), newId()];
    const sent = await note(page, arrived, "top");
    await page.evaluate(async () => await tablet.close());
    await open(page, identity, { store: "evicted", online: false });
    const unsent = await note(page, died, null);
    if (sent === null || unsent === null) throw new Error("nothing was written");
    expect(unsent.origin).toBe(sent.origin);
    await page.close();
    const other = await context.newPage();
    const browser = await context.newCDPSession(other);
    await browser.send("Storage.clearDataForOrigin", { origin: served.origin, storageTypes: "all" });
    await other.close();

    const back = await load();
    const kept = [sent, unsent];
    await open(back, identity, { store: "evicted", kept });
    const lost = await until("the hub has said what it has", async () => await back.evaluate(async () => await tablet.lost()));
    expect(lost).toEqual([unsent]);
    await knowsBarn(back);
    // A new life, under which the person does it again.
    const redone = await note(back, died, "top");
    expect(redone?.origin).not.toBe(sent.origin);
    const ids = [arrived, died].join(",");
    expect(await countOf(hub.database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [ids])).toBe(2);
    await back.evaluate(async () => await tablet.close());
    await back.close();
  });

  it("a page of an origin that the hub does not allow is refused", async () => {
    await hub.stop();
    const other = await TestHub.start();
    const page = await context.newPage();
    await page.goto(served.origin);
    const closed = await page.evaluate(
      async (url) =>
        await new Promise<string>((resolve) => {
          const socket = new WebSocket(url);
          socket.addEventListener("open", () => resolve("open"));
          socket.addEventListener("error", () => resolve("refused"));
        }),
      `${other.url.replace(/^http/, "ws")}/sync`,
    );
    expect(closed).toBe("refused");
    await page.close();
    await other.end();
    await hub.start();
  });
});
