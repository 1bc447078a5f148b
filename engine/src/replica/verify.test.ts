import { afterAll, beforeAll, expect, it } from "vitest";
import { checkReport } from "../digest/signed-report.ts";
import { createIdentity } from "../identity/node-identity.ts";
import { enrol, eventually, Harbour, type HarbourReplica, tenant } from "./testing/harbour.ts";

const harbour = new Harbour();
let hub: HarbourReplica;
let edge: HarbourReplica;
const edgeIdentity = createIdentity({ tier: "edge", tenant });

beforeAll(async () => {
  const opened = await harbour.hub(await harbour.fresh("cloud"));
  hub = opened.replica;
  await enrol(hub, edgeIdentity);
  const { url } = await harbour.serve(hub);
  const parent = { url, node: opened.identity.nodeId, publicKey: opened.identity.publicKey };
  edge = await harbour.open(await harbour.fresh("edge"), edgeIdentity, { parent, comparison: { intervalMs: 50, share: 1 } });
  await hub.database.query("insert into ship (tenant_id, id, name) values ($1, 's1', 'Vasa')", [tenant]);
  await hub.database.query("insert into note (tenant_id, id, ship_id, body) values ($1, 'n1', 's1', 'ahoy')", [tenant]);
  await eventually(
    async () => (await edge.database.query("select from note")).rows.length,
    (rows) => rows === 1,
  );
});
afterAll(async () => await harbour.close());

const damage = async (replica: HarbourReplica, sql: string): Promise<void> =>
  await replica.database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.query(sql);
  });

const nameOf = async (replica: HarbourReplica): Promise<unknown> =>
  (await replica.database.query<{ name: string }>("select name from ship")).rows[0]?.name;

it("compares by itself over the session, so that damage on either side is gone soon, noted and counted", async () => {
  await damage(edge, "update ship set name = 'Vase'");
  await eventually(
    async () => await nameOf(edge),
    (name) => name === "Vasa",
  );
  await damage(hub, "update ship set name = 'Wasa'");
  await eventually(
    async () => await nameOf(hub),
    (name) => name === "Vasa",
  );
  const { entries } = await edge.journal.list();
  expect(entries.map(({ rule, table, column, lost, won }) => [rule, table, column, lost.value, won.value])).toEqual([
    ["repair", "ship", "name", "Vase", "Vasa"],
  ]);
  const { comparison } = await eventually(
    async () => await edge.status(),
    (status) => status.comparison?.healedAbove === 1,
  );
  expect(comparison).toMatchObject({ healedHere: 1, left: 0, failures: 0 });
  expect(harbour.events.map(({ event }) => event)).toContain("rows-repaired");
});

it("tells in a signed report that both sides hold the same, and a changed report is found out", async () => {
  const signed = await edge.verify();
  const report = checkReport(JSON.stringify(signed), edgeIdentity.publicKey);
  expect(report).toMatchObject({ node: edgeIdentity.nodeId, tier: "edge", tenant });
  expect(report["tables"]).toContainEqual(
    expect.objectContaining({ tenant, table: "note", rows: 1, healedHere: 0, healedAbove: 0, left: 0 }),
  );
  const forged = JSON.stringify({ ...signed, report: signed.report.replace('"rows":1', '"rows":2') });
  expect(() => checkReport(forged)).toThrow(/report-unproven/);
  expect(() => checkReport(JSON.stringify(signed), createIdentity({ tier: "edge", tenant }).publicKey)).toThrow(/another-key/);
  expect(() => checkReport("{}")).toThrow(/request-invalid/);
  await expect(hub.verify()).rejects.toThrow(/no-parent/);
});
