import { afterEach, expect, it } from "vitest";
import { createIdentity } from "../identity/node-identity.ts";
import { enrol, eventually, Harbour, tenant } from "./testing/harbour.ts";
import type { HarbourReplica } from "./testing/harbour.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

async function pair(): Promise<{ hub: HarbourReplica; edge: HarbourReplica }> {
  const { replica: hub, identity } = await harbour.hub(await harbour.fresh("cloud"));
  const edgeIdentity = createIdentity({ tier: "edge", tenant });
  await enrol(hub, edgeIdentity);
  const { url } = await harbour.serve(hub);
  const edge = await harbour.open(await harbour.fresh("edge"), edgeIdentity, {
    parent: { url, node: identity.nodeId, publicKey: identity.publicKey },
  });
  return { hub, edge };
}

it("a row written on the edge is awaited to the top, and one written at the hub shows in a live query on the edge", async () => {
  const { hub, edge } = await pair();
  const { receipt } = await edge.write(
    async (db) => await db.insertInto("note").values({ tenant_id: tenant, id: "n1", ship_id: null, body: "ahoy" }).execute(),
    { author: "ann" },
  );
  expect(receipt).toMatchObject({ tenant, seq: 1 });
  expect(await receipt?.until("device")).toEqual({ outcome: "applied", code: null });
  expect(await receipt?.until("top", { deadlineMs: 15_000 })).toEqual({ outcome: "applied", code: null });
  expect(await hub.db.selectFrom("note").select("body").execute()).toEqual([{ body: "ahoy" }]);

  const seen: (readonly { name: string }[])[] = [];
  edge.live(
    (db) => db.selectFrom("ship").select("name").orderBy("name"),
    (rows) => void seen.push(rows),
  );
  await hub.database.query("insert into ship (tenant_id, id, name) values ($1, 's1', 'Vasa')", [tenant]);
  await eventually(
    async () => seen.at(-1),
    (rows) => rows?.[0]?.name === "Vasa",
  );
  // The ship may have come with a page, before the last one.
  const { peers, quarantined } = await eventually(
    async () => await edge.status(),
    ({ filling }) => !filling,
  );
  expect(peers).toMatchObject([{ relation: "parent", connected: true, state: "open", backlog: { commits: 0 } }]);
  expect(quarantined).toBe(0);
});
