import { existsSync, readdirSync, readFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { planFarm } from "@hayloft/device-simulator";
import { newId } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { BarnVoice, connectDevice, publish } from "./barn-messages.ts";
import { ChildProgram } from "./child-program.ts";
import { countOf } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { edgeProgram } from "./service-programs.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const plan = planFarm("t-damage", "f-damage", 1);
const { tenant, farm } = plan;
const voice = new BarnVoice(plan);

let hub: TestHub;
let edge: TestEdge;
let program: Awaited<ReturnType<typeof edgeProgram>>;
let daemon: ChildProgram;

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  edge = await TestEdge.enrol(hub, { tenant, farms: [farm] });
  program = await edgeProgram({ edgeDir: edge.dataDir, wire: edge.wire }, "info");
});
afterEach(async () => {
  await daemon.end("SIGKILL");
  edge.wire.open();
});
afterAll(async () => {
  await edge.end();
  await hub.end();
});

const run = (): void => {
  daemon = new ChildProgram(program.args);
};
const printed = async (text: string): Promise<void> => {
  await until(text, () => daemon.output.includes(text), 120_000);
};
const ended = async (): Promise<void> => {
  await until("it ended", () => !isRunning(), 60_000);
};
function isRunning(): boolean {
  try {
    daemon.check();
    return true;
  } catch {
    return false;
  }
}

/** The fields of the last log line of an event. */
function logged(event: string): Readonly<Record<string, unknown>> {
  const line = daemon.output.split("\n").findLast((text) => text.includes(`"event":"${event}"`));
  return JSON.parse(line ?? "{}") as Record<string, unknown>;
}

/** Sends readings, each a commit of its own; returns their ids when all are acknowledged. */
async function send(count: number): Promise<readonly string[]> {
  const device = await connectDevice(program.mqttUrl, `device-${newId()}`);
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const reading = voice.reading(20 + index);
    await publish(device, reading);
    ids.push(reading.eventId);
  }
  await device.endAsync();
  return ids;
}

const atHub = async (ids: readonly string[]): Promise<number> =>
  await countOf(hub.database, "telemetry_raw where event_id = any(string_to_array($1, ','))", [ids.join(",")]);
const arrive = async (ids: readonly string[], count = ids.length): Promise<void> => {
  await until(`${count} readings at the hub`, async () => (await atHub(ids)) === count, 60_000);
};

const pgdata = (): string => join(edge.dataDir, "database", "pgdata");
const flip = async (file: string, at: number): Promise<void> => {
  const handle = await open(join(pgdata(), file), "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  await handle.close();
};

/** What was set aside is named by its time; what is read meanwhile begins with a dot. */
const isKept = (name: string): boolean => !name.startsWith(".");

/** The file of a relation of the store, which nobody has open. */
async function fileOf(relation: string): Promise<string> {
  const database = await openPgliteDatabase({ dataDir: join(edge.dataDir, "database") });
  const { rows } = await database.query<{ file: string }>("select pg_relation_filepath($1::regclass) as file", [relation]);
  await database.close();
  return rows[0]?.file ?? "";
}

describe("F-A11 an edge of which a page was altered on the disk", () => {
  it("F-A11 O2 O15 in its unsent log finds it, acknowledges nothing more, saves the rest, begins anew from the hub, and tells what is gone", async () => {
    run();
    await daemon.ready(program.httpUrl);
    await arrive(await send(5));
    edge.wire.hold();
    const unsent = await send(12);
    await daemon.end("SIGTERM");
    const file = await fileOf("hayloft.change");
    // In the middle of what one commit says.
    const gone = unsent[6] ?? "";
    const at = readFileSync(join(pgdata(), file)).indexOf(gone);
    expect(at).toBeGreaterThan(0);
    await flip(file, at);
    const altered = await readFile(join(pgdata(), file));

    run();
    await printed('"event":"store-damaged"');
    expect(logged("store-damaged")).toMatchObject({ code: "store-damaged", details: { file, page: Math.floor(at / 8192) } });
    await ended();
    // The service manager starts it again, the hub is away, and the power goes once more.
    edge.wire.cut();
    run();
    await printed('"event":"store-begins-anew"');
    const saved = logged("store-set-aside");
    expect(saved).toMatchObject({ broken: 1, missing: 0 });
    // With what the hub had and had not acknowledged when the link went: under another name it must not count twice.
    const { commits } = saved;
    expect(commits).toBeGreaterThanOrEqual(unsent.length - 1);
    const readiness = async (): Promise<unknown> =>
      await until("it says why it is not ready", async () => {
        const answer = await fetch(`${program.httpUrl}/api/ready`).catch(() => null);
        return answer?.status === 503 ? ((await answer.json()) as unknown) : undefined;
      });
    expect(await readiness()).toMatchObject({ ready: false, problems: [{ part: "database", problem: "store-damaged" }] });
    await expect(fetch(program.mqttUrl.replace("mqtt:", "http:"))).rejects.toMatchObject({
      cause: { code: "ECONNREFUSED" },
    });
    await daemon.end("SIGKILL");
    edge.wire.open();
    run();
    await printed('"event":"store-recovered"');
    expect(logged("store-recovered")).toMatchObject({ own: commits, relayed: 0, held: 0 });
    await daemon.ready(program.httpUrl);
    const later = await send(3);
    await arrive([...unsent, ...later], unsent.length - 1 + later.length);
    expect(await atHub([gone])).toBe(0);
    expect(await countOf(hub.database, "telemetry_raw where tenant_id = $1", [tenant])).toBe(
      5 + unsent.length - 1 + later.length,
    );
    // Kept as it was found, and said wherever somebody looks.
    const [kept = ""] = readdirSync(join(edge.dataDir, "damaged"));
    expect((await readFile(join(edge.dataDir, "damaged", kept, "pgdata", file))).equals(altered)).toBe(true);
    const ready = (await (await fetch(`${program.httpUrl}/api/ready`)).json()) as { readonly degraded: unknown };
    expect(ready.degraded).toContainEqual({ part: "store", problem: `damaged, kept in damaged/${kept}` });
    expect(await (await fetch(`${program.httpUrl}/metrics`)).text()).toContain("\nstore_damaged_kept 1\n");
    await daemon.end("SIGTERM");
  });

  it("F-A11 in a system catalog is found at the start, which brings the node back by itself with everything it had", async () => {
    run();
    await daemon.ready(program.httpUrl);
    edge.wire.hold();
    const unsent = await send(4);
    await daemon.end("SIGTERM");
    const file = await fileOf("pg_attribute");
    await flip(file, 2 * 8192 + 4000);
    edge.wire.open();
    run();
    await daemon.ready(program.httpUrl);
    expect(logged("store-damaged")).toMatchObject({ details: { file } });
    expect(logged("store-set-aside")).toMatchObject({ broken: 0, missing: 0 });
    expect(logged("store-recovered")).toMatchObject({ own: logged("store-set-aside")["commits"], held: 0 });
    await arrive(unsent);
    await daemon.end("SIGTERM");
  });

  it("F-A11 F-A2 in the control file: killed at any moment while it saves, moves, fills and takes in, the daemon goes on from there, and everything is there once", async () => {
    run();
    await daemon.ready(program.httpUrl);
    edge.wire.hold();
    const unsent = await send(40);
    await daemon.end("SIGTERM");
    const before = await countOf(hub.database, "telemetry_raw where tenant_id = $1", [tenant]);
    await flip("global/pg_control", 40);
    edge.wire.open();
    run();
    await printed('"event":"store-damaged"');
    expect(logged("store-damaged")).toMatchObject({ details: { file: "global/pg_control" } });
    const damaged = join(edge.dataDir, "damaged");
    const said = (event: string) => () => daemon.output.includes(`"event":"${event}"`);
    const isSaved = (): boolean =>
      existsSync(join(edge.dataDir, "database", "unsent.jsonl")) || readdirSync(damaged).filter(isKept).length === 3;
    const isBack = (): boolean =>
      readdirSync(damaged).filter((name) => existsSync(join(damaged, name, "taken.json"))).length === 3;
    const moments: readonly (() => boolean)[] = [
      () => existsSync(join(damaged, ".reading")),
      isSaved,
      said("store-begins-anew"),
      said("session-opened"),
      said("filling"),
      said("filled"),
      said("store-recovered"),
    ];
    // Each life is ended at its moment or soon after; the next one goes on from there.
    for (const moment of moments) {
      await daemon.end("SIGKILL");
      run();
      // One that got to the end soon after its own moment leaves the others nothing to wait for.
      await until("its moment", () => moment() || isBack(), 120_000);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
    }
    await daemon.end("SIGKILL");
    run();
    await daemon.ready(program.httpUrl);
    await arrive(unsent);
    expect(await countOf(hub.database, "telemetry_raw where tenant_id = $1", [tenant])).toBe(before + unsent.length);
    // No life began anew what another had done.
    expect(readdirSync(damaged).every(isKept)).toBe(true);
    const [, , kept = "", ...more] = readdirSync(damaged).toSorted();
    expect(more).toEqual([]);
    expect(readdirSync(join(damaged, kept))).toContain("taken.json");
    await daemon.end("SIGTERM");
  });

  it("F-A11 again and again is no accident: the daemon keeps three, and then says to replace the disk", async () => {
    await flip("global/pg_control", 40);
    for (const _ of [1, 2]) {
      run();
      await ended();
      expect(daemon.output).toMatch(/store-damaged: .*3 damaged databases are kept already: replace the disk/u);
    }
    expect(readdirSync(join(edge.dataDir, "damaged"))).toHaveLength(3);
  });
});
