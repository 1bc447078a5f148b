import { afterEach, expect, it } from "vitest";
import { newId } from "../identity/new-id.ts";
import { createIdentity } from "../identity/node-identity.ts";
import { pruneLog } from "../log/prune-log.ts";
import { enrol, eventually, Harbour, harbourCatalog, tenant } from "./testing/harbour.ts";
import type { HarbourReplica } from "./testing/harbour.ts";

const harbour = new Harbour();
afterEach(async () => await harbour.close());

const whats = async (replica: HarbourReplica): Promise<readonly string[]> =>
  (await replica.db.selectFrom("sighting").select("what").orderBy("what").execute()).map((row) => row.what);

const bodies = async (replica: HarbourReplica): Promise<readonly string[]> =>
  (await replica.db.selectFrom("note").select("body").orderBy("id").execute()).map((row) => row.body);

it("a child that pruned what its parent has goes on below another parent, and below the top itself, without a loss", async () => {
  const { replica: hub, identity: office } = await harbour.hub(await harbour.fresh("cloud"));
  const [first, second, sailor] = [
    createIdentity({ tier: "edge", tenant }),
    createIdentity({ tier: "edge", tenant }),
    createIdentity({ tier: "tablet", tenant }),
  ];
  for (const identity of [first, second, sailor]) await enrol(hub, identity);
  const top = { url: (await harbour.serve(hub)).url, node: office.nodeId, publicKey: office.publicKey };
  const parents = [];
  for (const identity of [first, second]) {
    const ship = await harbour.open(await harbour.fresh("edge"), identity, { parent: top });
    parents.push({ url: (await harbour.serve(ship)).url, node: identity.nodeId, publicKey: identity.publicKey });
  }
  const database = await harbour.fresh("tablet");
  const seen: string[] = [];
  for (const [round, parent] of [...parents, top].entries()) {
    const tablet = await harbour.open(database, sailor, { parent });
    const what = String(round);
    seen.push(what);
    const { receipt } = await tablet.write(async (db) => {
      await db.insertInto("sighting").values({ tenant_id: tenant, id: newId(), ship_id: null, what }).execute();
      const note = { tenant_id: tenant, id: what, ship_id: null, body: what };
      await db.insertInto("note").values(note).execute();
      const common = { tenant_id: tenant, id: "z", ship_id: null, body: what };
      await db
        .insertInto("note")
        .values(common)
        .onConflict((conflict) => conflict.columns(["tenant_id", "id"]).doUpdateSet({ body: what }))
        .execute();
    });
    expect(await receipt?.until("top", { deadlineMs: 60_000 })).toEqual({ outcome: "applied", code: null });
    await tablet.close();
    const pruned = await pruneLog(database, harbourCatalog, { olderThanMs: 0, nowMs: Date.now() + 1_000, hasParent: true });
    expect(pruned.find((log) => log.tenant === tenant)?.commits).toBeGreaterThan(0);
    expect(await whats(hub)).toEqual(seen);
    const last = seen.at(-1) ?? "";
    expect(
      await eventually(
        async () => await bodies(hub),
        (found) => found.at(-1) === last,
      ),
    ).toEqual([...seen, last]);
  }
  expect((await hub.status()).quarantined).toBe(0);
}, 180_000);
