import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createBarn } from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import type { Database } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { openPostgresDatabase, startEmbeddedPostgres } from "@hayloft/engine/postgres";
import { effort } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { BarnVoice } from "./barn-messages.ts";
import { ChildProgram, freePort } from "./child-program.ts";
import { countOf } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { runKills } from "./kills/run-kills.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const plan = planFarm("t-kill", "f-kill", 1);
const { tenant, farm } = plan;
const voice = new BarnVoice(plan);
const hubProgram = new URL("./hub.child.js", import.meta.url).pathname;

let directory: string;
let postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
let hub: TestHub;
let database: Database;
let edge: TestEdge;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "hayloft-kills-"));
  await chmod(directory, 0o755);
  postgres = await startEmbeddedPostgres({ dataDir: join(directory, "data") });
  hub = await TestHub.start({}, { databaseUrl: postgres.connectionString });
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant });
  await hub.stop();
  database = await openPostgresDatabase({ connectionString: postgres.connectionString, poolMax: 3 });
});
afterAll(async () => {
  await edge.end();
  await database.close();
  await hub.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Writes rows at the edge until `stop` says so; returns their ids. */
async function keepWriting(isDone: () => boolean): Promise<readonly string[]> {
  const ids: string[] = [];
  while (!isDone()) {
    const id = newId();
    await edge.daemon.replica.write(async (db) => {
      await db
        .insertInto("barn_mortality_event")
        .values({ tenant_id: tenant, id, farm_id: farm, barn_id: voice.plan.barn, occurred_at: new Date(), animal_count: 1 })
        .execute();
    });
    ids.push(id);
    // At a pace that leaves the machine time for the other processes.
    await setTimeout(10);
  }
  return ids;
}

async function expectAtHub(ids: readonly string[]): Promise<void> {
  await edge.drained(120_000);
  expect(await countOf(database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [ids.join(",")])).toBe(
    ids.length,
  );
  expect(await countOf(database, "hayloft.quarantine")).toBe(0);
}

async function startHubProgram(): Promise<{ readonly program: ChildProgram; readonly url: string }> {
  const port = await freePort();
  const program = new ChildProgram([hubProgram, postgres.connectionString, String(port)]);
  const url = `http://127.0.0.1:${port}`;
  await program.ready(url);
  edge.wire.aim(url);
  edge.wire.open();
  return { program, url };
}

const arrived = async (): Promise<number> => await countOf(database, "barn_mortality_event where tenant_id = $1", [tenant]);

describe("the hub dies in the middle of a stream", () => {
  it("F-E1 F-A6 by SIGKILL and by SIGTERM, again and again: each row is there once", async () => {
    let done = false;
    const writing = keepWriting(() => done);
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const { program } = await startHubProgram();
      const before = await arrived();
      await until("rows flow", async () => (await arrived()) > before);
      await program.end(signal);
      // Who dials a dead hub waits here instead of for its next attempt.
      edge.wire.hold();
    }
    done = true;
    const { program } = await startHubProgram();
    await expectAtHub(await writing);
    await program.end("SIGTERM");
    edge.wire.hold();
  });

  it("F-E3 its Postgres is stopped at once and comes back: each row is there once, without a restart of the hub", async () => {
    const { program, url } = await startHubProgram();
    let done = false;
    const writing = keepWriting(() => done);
    const before = await arrived();
    await until("rows flow", async () => (await arrived()) > before);
    const pid = Number((await readFile(join(directory, "data", "postmaster.pid"), "utf8")).split("\n")[0]);
    // SIGQUIT is what an immediate shutdown sends: no checkpoint, connections cut.
    process.kill(pid, "SIGQUIT");
    await until("the hub says that it is not ready", async () => (await fetch(`${url}/api/ready`)).status === 503);
    await postgres.stop();
    postgres = await startEmbeddedPostgres({ dataDir: join(directory, "data"), port: postgres.port });
    await until("the hub is ready again", async () => (await fetch(`${url}/api/ready`)).status === 200);
    done = true;
    const ids = await writing;
    // The next attempt may be half a minute away; a new daemon dials at once.
    await edge.stop();
    await edge.start();
    await expectAtHub(ids);
    await program.end("SIGTERM");
    edge.wire.hold();
  });

  it("F-E6 a transaction that commits long after it began, past others, still reaches the edge", async () => {
    const { program } = await startHubProgram();
    await edge.stop();
    await edge.start();
    await until("the session", async () => (await edge.daemon.replica.status()).peers[0]?.connected === true);
    const late = newId();
    const administrator = await openPostgresDatabase({ connectionString: postgres.connectionString, poolMax: 1 });
    await database.transaction(async (tx) => {
      await tx.query("insert into barns (tenant_id, farm_id, id, name) values ($1, $2, $3, 'Late')", [tenant, farm, late]);
      for (const name of ["Early 1", "Early 2"]) await createBarn(administrator, { tenant, farm, name });
      await until(
        "the edge is past the early ones",
        async () => (await countOf(edge.database, "barns where name like 'Early%'")) === 2,
      );
      expect(await countOf(edge.database, "barns where id = $1", [late])).toBe(0);
    });
    await until("the late one", async () => (await countOf(edge.database, "barns where id = $1", [late])) === 1);
    await administrator.close();
    await program.end("SIGTERM");
    edge.wire.hold();
  });
});

describe("edge and hub die at any moment", () => {
  it("F-A2 F-A3 F-A4 P-C3 by SIGKILL at random instants of each, while rows flow both ways: what was acknowledged is on both once", async () => {
    const edgeNode = edge.node;
    await edge.stop();
    const kills = { edge: effort(3), hub: effort(3) };
    const ground = {
      plan,
      database,
      postgresUrl: postgres.connectionString,
      edgeDir: edge.dataDir,
      edgeNode,
      wire: edge.wire,
    };
    const figures = await runKills(ground, { ...kills, seed: 1 });
    process.stdout.write(`kills: ${JSON.stringify(figures)}\n`);
    expect(figures).toMatchObject({ edgeKills: kills.edge, hubKills: kills.hub, lost: 0, doubled: 0, held: 0 });
    expect(Math.min(figures.acknowledged, figures.entered)).toBeGreaterThan(0);
  });
});
