import { afterEach, expect, it } from "vitest";
import { newId } from "../identity/new-id.ts";
import { createIdentity } from "../identity/node-identity.ts";
import type { QuarantineAction } from "../quarantine/quarantine-action.ts";
import { enrol, eventually, Harbour, tenant } from "./testing/harbour.ts";
import type { HarbourReplica } from "./testing/harbour.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

/** Tablet → edge → hub; the tablet may write for ship s1 only. */
async function tree(actions: QuarantineAction[] = []) {
  const { replica: hub, identity: hubIdentity } = await harbour.hub(await harbour.fresh("cloud"), {
    onQuarantineAction: async (_tx, action) => void actions.push(action),
  });
  const edgeIdentity = createIdentity({ tier: "edge", tenant });
  const tabletIdentity = createIdentity({ tier: "tablet", tenant });
  await enrol(hub, edgeIdentity);
  await enrol(hub, tabletIdentity, { ship: ["s1"] });
  const edge = await harbour.open(await harbour.fresh("edge"), edgeIdentity, {
    parent: { url: (await harbour.serve(hub)).url, node: hubIdentity.nodeId, publicKey: hubIdentity.publicKey },
  });
  const tablet = await harbour.open(await harbour.fresh("tablet"), tabletIdentity, {
    parent: { url: (await harbour.serve(edge)).url, node: edgeIdentity.nodeId, publicKey: edgeIdentity.publicKey },
  });
  return { hub, edge, tablet, edgeNode: edgeIdentity.nodeId, tabletNode: tabletIdentity.nodeId };
}

const sighting = async (replica: HarbourReplica, ship: string, what: string) =>
  await replica.write(
    async (db) => await db.insertInto("sighting").values({ tenant_id: tenant, id: newId(), ship_id: ship, what }).execute(),
    { author: "ann" },
  );

const viewed = async (replica: HarbourReplica): Promise<readonly Record<string, unknown>[]> =>
  (
    await replica.database.query(
      `select held_at_node, author_node, author, code, state, tables, jsonb_array_length(row_keys) as keys, changes from hayloft.quarantined order by seq`,
    )
  ).rows;

const whats = async (replica: HarbourReplica): Promise<readonly string[]> =>
  (await replica.db.selectFrom("sighting").select("what").orderBy("what").execute()).map((row) => row.what);

it("S10.7 what an edge refuses a tablet is seen at the hub, and is applied everywhere when the grant is widened", async () => {
  const { hub, edge, tablet, edgeNode, tabletNode } = await tree();
  const { receipt } = await sighting(tablet, "s2", "outside");
  const later = await sighting(tablet, "s1", "inside");
  expect(await receipt?.until("parent", { deadlineMs: 30_000 })).toEqual({ outcome: "refused", code: "refused-scope" });
  expect(await later.receipt?.until("top", { deadlineMs: 30_000 })).toEqual({ outcome: "applied", code: null });
  expect(await whats(tablet)).toEqual(["inside"]);
  const [seen] = await eventually(
    async () => await viewed(hub),
    (rows) => rows.length === 1,
  );
  expect(seen).toMatchObject({
    held_at_node: edgeNode,
    author_node: tabletNode,
    author: "ann",
    code: "refused-scope",
    state: "held",
    tables: "sighting",
    keys: 1,
  });
  expect(JSON.stringify(seen?.["changes"])).toContain("outside");
  await hub.db
    .updateTable("replica_node")
    .set({ scopes: JSON.stringify({ ship: ["s1", "s2"] }) })
    .where("id", "=", tabletNode)
    .execute();
  for (const replica of [hub, edge, tablet])
    await eventually(
      async () => await whats(replica),
      (rows) => rows.join() === "inside,outside",
      60_000,
    );
  await eventually(
    async () => [...(await viewed(hub)), ...(await viewed(tablet))].map((row) => row["state"]),
    (states) => states.join() === "applied,applied",
    60_000,
  );
}, 180_000);

it("S10.7 a person at the hub discards what an edge holds of a tablet, and both lower tiers close it", async () => {
  const actions: QuarantineAction[] = [];
  const { hub, edge, tablet } = await tree(actions);
  const { receipt } = await sighting(tablet, "s2", "outside");
  await receipt?.until("parent", { deadlineMs: 30_000 });
  const name = { tenant, origin: receipt?.origin ?? "", seq: receipt?.seq ?? 0 };
  await eventually(
    async () => await hub.quarantine.read(name),
    (held) => held !== null,
  );
  await hub.quarantine.discard(name, { reason: "another ship's", person: "ben" });
  await hub.quarantine.discard(name, { reason: "again", person: "ben" });
  for (const replica of [edge, tablet])
    await eventually(
      async () => (await replica.quarantine.read(name))?.state,
      (state) => state === "discarded",
      60_000,
    );
  await eventually(
    async () => (await viewed(hub)).map((row) => row["state"]),
    (states) => states.join() === "discarded",
    60_000,
  );
  expect(actions).toMatchObject([{ action: "discarded", reason: "another ship's", person: "ben", replacement: null }]);
  expect((await edge.status()).held).toEqual([]);
}, 180_000);
