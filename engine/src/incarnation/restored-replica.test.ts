import { afterEach, describe, expect, it } from "vitest";
import { createIdentity } from "../identity/node-identity.ts";
import { enrol, eventually, Harbour, type HarbourReplica, tenant } from "../replica/testing/harbour.ts";
import { readRecovery } from "./read-recovery.ts";
import { DirectoryHold, jot, notes, seen, ServerHold, Ship, shore, sight } from "./test-copies.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

/** Waits until all hold these sightings and these notes. */
async function agree(replicas: readonly HarbourReplica[], sightings: string, written: string): Promise<void> {
  for (const replica of replicas) {
    await eventually(
      async () => `${await seen(replica)} | ${await notes(replica)}`,
      (text) => text === `${sightings} | ${written}`,
    );
  }
}

const lives = async (replica: HarbourReplica): Promise<readonly unknown[]> =>
  (
    await replica.database.query("select cause, reissued from hayloft.incarnation where tenant_id = $1 order by ended_at", [
      tenant,
    ])
  ).rows;

/** What the parent holds per name of a commit of an upward table; more than 1 is a doubled effect. */
const counts = async (hub: HarbourReplica): Promise<number> =>
  (await hub.db.selectFrom("sighting").select("id").execute()).length;

describe("F-C7 a replica that is set back to an older image", () => {
  it("on PGlite in a directory gets back what it had sent after the image, and delivers what it writes afterwards, each once", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await DirectoryHold.make());
    const first = await ship.start();
    await sight(first, "a1", "a2");
    await jot(first, "log", "image");
    await agree([site.hub, first], "a1 a2", "log=image");
    await ship.stop();
    // Last week's image.
    const restored = await ship.twin();

    const going = await ship.start();
    await sight(going, "b1", "b2", "b3");
    await jot(going, "log", "later");
    await agree([site.hub, going], "a1 a2 b1 b2 b3", "log=later");
    await ship.stop();

    let link = (): void => undefined;
    const back = await restored.start({ after: new Promise<void>((resolve) => (link = resolve)) });
    await sight(back, "c1", "c2");
    const { receipt } = await back.write(
      async (db) =>
        await db.insertInto("note").values({ tenant_id: tenant, id: "diary", ship_id: null, body: "alone" }).execute(),
    );
    link();
    await agree([site.hub, back], "a1 a2 b1 b2 b3 c1 c2", "diary=alone log=later");
    await jot(site.hub, "log", "hub");
    await sight(back, "d1");
    await agree([site.hub, back], "a1 a2 b1 b2 b3 c1 c2 d1", "diary=alone log=hub");
    expect(await lives(back)).toEqual([{ cause: "rewound", reissued: 3 }]);
    const begun = harbour.events.filter(({ event }) => event === "incarnation-begun");
    expect(begun.map(({ details }) => details["cause"])).toEqual(["rewound"]);
    // Who waits for a commit knows it by the name that it had when it was written.
    if (receipt === null) throw new Error("nothing was written");
    expect(await receipt.until("top", { deadlineMs: 15_000 })).toEqual({ outcome: "applied", code: null });
    expect(await counts(site.hub)).toBe(8);
  });

  it("delivers once what was unsent in the image, was sent since, and is unsent again after it came back", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await ServerHold.make());
    const first = await ship.start();
    await sight(first, "a1");
    await agree([site.hub, first], "a1", "");
    await ship.stop();
    const alone = await ship.start({ alone: true });
    await sight(alone, "b1", "b2");
    await jot(alone, "log", "b");
    await ship.stop();
    const restored = await ship.twin();
    const going = await ship.start();
    await agree([site.hub, going], "a1 b1 b2", "log=b");
    await jot(site.hub, "log", "hub");
    await agree([going], "a1 b1 b2", "log=hub");
    await ship.stop();
    const back = await restored.start();
    await sight(back, "c1");
    await agree([site.hub, back], "a1 b1 b2 c1", "log=hub");
    expect(await counts(site.hub)).toBe(4);
    // Up to its end the image's history is the parent's: it goes on under its name.
    expect(await lives(back)).toEqual([]);
  });

  it("F-C8 an edge that was installed anew under its name gets everything back, and is one node to its parent", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await ServerHold.make());
    const first = await ship.start();
    await sight(first, "a1");
    await jot(first, "log", "before");
    await agree([site.hub, first], "a1", "log=before");
    await ship.stop();
    const anew = new Ship(harbour, ship.identity, site.parent, await ServerHold.make());
    const back = await anew.start();
    await sight(back, "b1");
    await jot(back, "log", "after");
    await agree([site.hub, back], "a1 b1", "log=after");
    expect(await lives(back)).toEqual([]);
  });

  it("S12.2 of an edge that died with its disk while the link was down nothing is lost but what no tablet held, and that is told", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await ServerHold.make());
    const below = async (edge: HarbourReplica) => {
      const { url } = await harbour.serve(edge);
      const { nodeId: node, publicKey } = ship.identity;
      return { parent: { url, node, publicKey, reconnect: { baseMs: 20, capMs: 100 } } };
    };
    const edge = await ship.start();
    const tablet = await Ship.enrolled(site, await ServerHold.make(), "tablet");
    await sight(await tablet.start(await below(edge)), "t1");
    await jot(edge, "log", "before");
    await agree([site.hub], "t1", "log=before");
    await tablet.stop();
    await ship.stop();

    const alone = await ship.start({ alone: true });
    const offshore = await tablet.start(await below(alone));
    await sight(offshore, "t2");
    await jot(offshore, "mine", "tablet");
    await sight(alone, "only the edge had this");
    await jot(alone, "log", "edge");
    await jot(alone, "told", "edge");
    await agree([alone], "only the edge had this t1 t2", "log=edge mine=tablet told=edge");
    await agree([offshore], "t1 t2", "log=edge mine=tablet told=edge");
    await tablet.stop();
    await jot(alone, "untold", "edge");
    await ship.stop();

    const anew = new Ship(harbour, ship.identity, site.parent, await ServerHold.make());
    const box = await anew.start();
    const back = await tablet.start(await below(box));
    await sight(back, "t3");
    await agree([site.hub, box], "t1 t2 t3", "log=edge mine=tablet told=edge");
    await agree([back], "t1 t2 t3", "log=edge mine=tablet told=edge");
    expect(await lives(back)).toEqual([]);
    const report = await readRecovery(box.database);
    const logs = report.logs.map((log) => log.tenant);
    expect(logs.toSorted()).toEqual([...new Set(logs)].toSorted());
    const { nodeId: node } = tablet.identity;
    const told = report.children.find((child) => child.tenant === tenant && child.node === node);
    // The two of the dead edge, which nothing but offers brings; the tablet's own also come by its log, which may be faster.
    expect(told?.rowsRestored, JSON.stringify(report.children)).toBeGreaterThanOrEqual(2);
  });
});

describe("F-C6 two replicas with one identity, from one disk", () => {
  it("connecting in turn both deliver what they wrote, see each other's writes, and only the second begins anew", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await ServerHold.make());
    const first = await ship.start();
    await sight(first, "a1");
    await jot(first, "log", "common");
    await agree([site.hub, first], "a1", "log=common");
    await ship.stop();
    const twin = await ship.twin();
    const one = await ship.start({ alone: true });
    await sight(one, "b1");
    await jot(one, "one", "1");
    const two = await twin.start({ alone: true });
    await sight(two, "c1", "c2");
    await jot(two, "two", "2");
    await ship.stop();
    await twin.stop();
    const oneBack = await ship.start();
    await agree([site.hub, oneBack], "a1 b1", "log=common one=1");
    await ship.stop();
    const twoBack = await twin.start();
    await agree([site.hub, twoBack], "a1 b1 c1 c2", "log=common one=1 two=2");
    await twin.stop();
    expect(await lives(await ship.start())).toEqual([]);
    const again = await twin.start();
    expect(await lives(again)).toEqual([{ cause: "diverged", reissued: 3 }]);
  });

  it("connected at the same time both have a session, deliver what they write and see each other's writes", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await ServerHold.make());
    await sight(await ship.start(), "a1");
    await eventually(
      async () => await seen(site.hub),
      (text) => text === "a1",
    );
    await ship.stop();
    const twin = await ship.twin();
    const [one, two] = [await ship.start(), await twin.start()];
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([sight(one, `b${String(round)}`), sight(two, `c${String(round)}`)]);
      await Promise.all([jot(one, "shared", `b${String(round)}`), jot(two, `two${String(round)}`, "2")]);
    }
    const own = "two0=2 two1=2 two2=2 two3=2 two4=2";
    await eventually(
      async () => `${await seen(site.hub)} | ${await notes(site.hub)}`,
      (text) => text === `a1 b0 b1 b2 b3 b4 c0 c1 c2 c3 c4 | shared=b4 ${own}`,
    );
    // Sightings only go up.
    for (const replica of [one, two])
      await eventually(
        async () => await notes(replica),
        (text) => text === `shared=b4 ${own}`,
      );
    expect(await counts(site.hub)).toBe(11);
    await eventually(
      async () => site.hub.children().filter(({ node }) => node === ship.identity.nodeId).length,
      (count) => count === 2,
    );
  });

  it("set up with one identity before either had a database, both deliver and see each other's writes", async () => {
    const site = await shore(harbour);
    const ship = await Ship.enrolled(site, await ServerHold.make());
    const twin = new Ship(harbour, ship.identity, site.parent, await ServerHold.make());
    const one = await ship.start();
    await jot(one, "one", "1");
    await agree([site.hub, one], "", "one=1");
    const two = await twin.start();
    await jot(two, "two", "2");
    await jot(one, "three", "3");
    await agree([site.hub, one, two], "", "one=1 three=3 two=2");
    await eventually(
      async () => site.hub.children().filter(({ node }) => node === ship.identity.nodeId).length,
      (count) => count === 2,
    );
  });

  it("a copied tablet behind an edge is found there, and the hub gets both tablets' work", async () => {
    const site = await shore(harbour);
    const edge = await Ship.enrolled(site, await ServerHold.make());
    const relay = await edge.start();
    const { url } = await harbour.serve(relay);
    const identity = createIdentity({ tier: "tablet", tenant });
    await enrol(site.hub, identity);
    const parent = { url, node: edge.identity.nodeId, publicKey: edge.identity.publicKey, reconnect: { baseMs: 20, capMs: 100 } };
    const tablet = new Ship(harbour, identity, parent, await ServerHold.make());
    const first = await tablet.start();
    await sight(first, "a1");
    await agree([site.hub, first], "a1", "");
    await tablet.stop();
    const copy = await tablet.twin();
    const [one, two] = [await tablet.start({ alone: true }), await copy.start({ alone: true })];
    await sight(one, "b1");
    await jot(one, "one", "1");
    await sight(two, "c1");
    await jot(two, "two", "2");
    await tablet.stop();
    await copy.stop();
    const both = [await tablet.start(), await copy.start()];
    await eventually(
      async () => `${await seen(site.hub)} | ${await notes(site.hub)}`,
      (text) => text === "a1 b1 c1 | one=1 two=2",
    );
    await agree([relay], "a1 b1 c1", "one=1 two=2");
    for (const replica of both)
      await eventually(
        async () => await notes(replica),
        (text) => text === "one=1 two=2",
      );
  });
});
