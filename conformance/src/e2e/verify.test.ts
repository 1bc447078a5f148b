import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { planFarm } from "@hayloft/device-simulator";
import type { Database } from "@hayloft/engine";
import { checkReport, newId } from "@hayloft/engine";
import { freshPglite } from "@hayloft/engine/testing";
import { preparedFarm } from "@hayloft/schema/testing";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { CommandLine } from "./command-line.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const plan = planFarm("t-verify", "f-verify", 1);
const { tenant, farm } = plan;
const barn = plan.barns[0]?.barn ?? "";

let line: CommandLine;
let hub: TestHub;
let edge: TestEdge;

beforeAll(async () => {
  line = await CommandLine.create();
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  const ports = { database: await freshPglite(preparedFarm("edge")) };
  edge = await TestEdge.start(hub, { tenant, config: { "http.admin_token_file": line.tokenFile }, ports });
});
afterAll(async () => {
  await edge.end();
  await hub.end();
  await line.end();
});

/** Changes a row as nobody may: without a commit. */
const damage = async (database: Database, sql: string, parameters: readonly string[]): Promise<void> =>
  await database.transaction(async (tx) => {
    await tx.query("select set_config('hayloft.applying', 'on', true)");
    await tx.query(sql, [...parameters]);
  });

const mortality = async (): Promise<string> => {
  const id = newId();
  const row = { tenant_id: tenant, id, farm_id: farm, barn_id: barn, occurred_at: new Date(), animal_count: 3 };
  await edge.daemon.replica.write(async (db) => await db.insertInto("barn_mortality_event").values(row).execute());
  await edge.drained();
  return id;
};

it("hayloft-edge verify finds damage on both sides, sets it right, and writes a signed report that the hub knows", async () => {
  const id = await mortality();
  await damage(edge.database, "update barns set name = 'altered' where tenant_id = $1 and id = $2", [tenant, barn]);
  await damage(hub.database, "update barn_mortality_event set animal_count = 4 where tenant_id = $1 and id = $2", [tenant, id]);
  const file = join(line.directory, "report.json");
  const first = await line.edge(edge, "verify", "--out", file);
  expect(first).toMatchObject({ code: 0, err: "" });
  expect(first.out).toContain("set right here");
  expect(first.out).toContain("set right at the parent");
  expect(first.out).toContain("both sides hold the same rows, after 2 were set right");
  const named = async (database: Database): Promise<unknown> =>
    (
      await database.query(
        "select (select name from barns where tenant_id = $1 and id = $2) as name, (select animal_count from barn_mortality_event where tenant_id = $1 and id = $3) as count",
        [tenant, barn, id],
      )
    ).rows[0];
  expect(await named(edge.database)).toEqual({ name: `Barn ${barn}`, count: 3 });
  expect(await named(hub.database)).toEqual({ name: `Barn ${barn}`, count: 3 });
  const report = await readFile(file, "utf8");
  expect(checkReport(report, edge.daemon.identity.publicKey)).toMatchObject({ node: edge.node, tier: "edge", tenant });
  expect(await line.edge(edge, "verify", "--check", file)).toMatchObject({ code: 0 });
  expect(await line.hub(hub, "verify", "--check", file)).toMatchObject({ code: 0 });
  await writeFile(file, report.replace(String.raw`\"healedHere\":1`, String.raw`\"healedHere\":0`));
  expect(await readFile(file, "utf8")).not.toBe(report);
  for (const result of [await line.edge(edge, "verify", "--check", file), await line.hub(hub, "verify", "--check", file)]) {
    expect(result.code).toBe(1);
    expect(result.err).toContain("report-unproven");
  }
});

it("over HTTP only the administrator may ask, and a daemon without a link says that it cannot compare", async () => {
  const ask = async (token: string | null): Promise<Response> =>
    await fetch(`${edge.daemon.httpUrl}/api/v1/sync/verify`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      body: "{}",
    });
  const token = (await readFile(line.tokenFile, "utf8")).trim();
  const answer = await ask(token);
  expect(answer.status).toBe(200);
  const { tables } = checkReport(await answer.text(), edge.daemon.identity.publicKey);
  expect(tables).toContainEqual(expect.objectContaining({ table: "barns", rows: 1, healedHere: 0, healedAbove: 0, left: 0 }));
  for (const wrong of [null, "another token of the test"]) expect([401, 403]).toContain((await ask(wrong)).status);
  edge.wire.cut();
  const alone = await line.edge(edge, "verify");
  expect(alone.code).not.toBe(0);
  expect(alone.err).toContain("unavailable");
  edge.wire.open();
});
