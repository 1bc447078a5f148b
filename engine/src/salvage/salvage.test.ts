import { existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createIdentity } from "../identity/node-identity.ts";
import { DirectoryHold, jot, notes, seen, ServerHold, Ship, shore, sight } from "../incarnation/test-copies.ts";
import { enrol, eventually, Harbour, harbourCatalog, type HarbourReplica, tenant } from "../replica/testing/harbour.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { saveUnsent } from "./save-unsent.ts";
import { takeUnsent } from "./take-unsent.ts";

vi.setConfig({ testTimeout: 120_000 });

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

const agree = async (replicas: readonly HarbourReplica[], sightings: string, written: string): Promise<void> => {
  for (const replica of replicas)
    await eventually(
      async () => `${await seen(replica)} | ${await notes(replica)}`,
      (text) => text === `${sightings} | ${written}`,
    );
};

/** Alters the text where it lies in a file. */
async function alter(file: string, text: string): Promise<void> {
  const at = readFileSync(file).indexOf(text);
  expect(at).toBeGreaterThan(0);
  const handle = await open(file, "r+");
  await handle.write(Buffer.from("?"), 0, 1, at);
  await handle.close();
}

describe("F-A11 the unsent work of a damaged store", () => {
  it("F-A11 O2 is saved as far as it is what was written, taken in once, and goes up once under its old stamps and new names, a tablet's too", async () => {
    const site = await shore(harbour);
    const hold = await DirectoryHold.make();
    const ship = await Ship.enrolled(site, hold);
    const relay = await ship.start();
    const { url } = await harbour.serve(relay);
    const identity = createIdentity({ tier: "tablet", tenant });
    await enrol(site.hub, identity);
    const above = { url, node: ship.identity.nodeId, publicKey: ship.identity.publicKey, reconnect: { baseMs: 20, capMs: 100 } };
    const tablet = new Ship(harbour, identity, above, await ServerHold.make());
    await sight(relay, "a1");
    await jot(relay, "log", "old");
    await jot(relay, "mine", "old");
    await agree([site.hub], "a1", "log=old mine=old");
    // What the hub has, the ship must have heard of: what is not acknowledged counts as unsent.
    await eventually(
      async () => (await relay.status()).peers.find(({ relation }) => relation === "parent")?.backlog.commits,
      (commits) => commits === 0,
    );
    await ship.stop();
    const alone = await ship.start({ alone: true });
    const { url: alongside } = await harbour.serve(alone);
    const offshore = await tablet.start({ parent: { ...above, url: alongside } });
    await sight(offshore, "t1");
    await agree([alone], "a1 t1", "log=old mine=old");
    const { receipt } = await alone.write(
      async (db) => await db.insertInto("note").values({ tenant_id: tenant, id: "kept", ship_id: null, body: "b" }).execute(),
    );
    for (const what of ["b1", "altered-on-the-disk", "b3"]) await sight(alone, what);
    await jot(alone, "log", "ship");
    await jot(alone, "mine", "ship");
    const { rows } = await alone.database.query<{ file: string }>("select pg_relation_filepath('hayloft.change') as file");
    // Nobody is heard of this tablet again.
    await tablet.stop();
    await ship.stop();
    await jot(site.hub, "log", "hub later");

    await alter(path.join(hold.directory, "pgdata", rows[0]?.file ?? ""), "altered-on-the-disk");
    const file = path.join(await tempDir(), "unsent.jsonl");
    const scratch = `${file}.scratch`;
    const order = { dataDir: hold.directory, scratch, file, tenant, node: ship.identity.nodeId };
    const saved = await saveUnsent(order);
    expect(saved).toEqual({ commits: 6, rows: 6, broken: 1, missing: 0 });
    expect(await saveUnsent(order)).toEqual(saved);
    expect(existsSync(scratch)).toBe(false);

    const fresh = await ServerHold.make();
    const anew = new Ship(harbour, ship.identity, site.parent, fresh);
    await eventually(
      async () => await notes(await (anew.replica ?? anew.start())),
      (text) => text === "log=hub later mine=old",
    );
    await anew.stop();
    const database = await fresh.open();
    const take = { database, catalog: harbourCatalog, node: ship.identity.nodeId, tier: "edge", file };
    // The second time, because it was killed before it was written down that it is done.
    for (const _ of [1, 2]) expect(await takeUnsent(take)).toEqual({ own: 5, relayed: 1, held: 0 });
    // The journal names what lost as the log does, and not by the file.
    const losses = await database.query<{ named: boolean }>(
      `select exists (select from hayloft.commit c where c.tenant_id = l.tenant_id and c.origin = l.loser_origin and c.seq = l.loser_seq) as named
      from hayloft.loss l where not superseded`,
    );
    expect(losses.rows).toEqual([{ named: true }]);
    await database.close();

    const back = await anew.start();
    await sight(back, "c1");
    await agree([site.hub, back], "a1 b1 b3 c1 t1", "kept=b log=hub later mine=ship");
    if (receipt === null) throw new Error("nothing was written");
    // Who waits for a commit knows it by the name that it had when it was written.
    expect(await back.receipt(receipt).until("top", { deadlineMs: 15_000 })).toEqual({ outcome: "applied", code: null });
  });
});
