import { digestTables } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { Random } from "../../simulator/random.ts";
import { BarnVoice } from "../barn-messages.ts";
import { countOf, sharedTables } from "../equal-tables.ts";
import { until } from "../until.ts";
import type { ServiceGround } from "../service-ground.ts";
import { edgeProgram, hubProgram, takenByHub } from "../service-programs.ts";
import { DeviceLoad, HubWriter } from "./kill-load.ts";
import { killAgainAndAgain } from "./killed-program.ts";

export interface KillFigures {
  readonly edgeKills: number;
  readonly hubKills: number;
  /** Of both, kills before the program had done anything since its start. */
  readonly whileStarting: number;
  /** Messages that the edge has acknowledged to devices, and rows that people have entered at the hub. */
  readonly acknowledged: number;
  readonly entered: number;
  /** Of these those that are not at the hub, or not at the edge, when everything has arrived; and those that are there twice. */
  readonly lost: number;
  readonly doubled: number;
  /** Commits that were refused. */
  readonly held: number;
  readonly ms: number;
}

export interface KillOrder {
  readonly edge: number;
  readonly hub: number;
  readonly seed: number;
  /** Messages a second that the devices of the barn publish. */
  readonly perSecond?: number;
}

const ENTERED_EVERY_MS = 200;
const ARRIVED_MS_MAX = 180_000;

/**
 * Kills hub and edge with SIGKILL, each at random instants of its own, while devices publish and people write at the hub; then lets both work until everything has
 * arrived, and counts. Throws when a program ends by itself, or when both do not come to hold the same rows.
 */
export async function runKills(ground: ServiceGround, order: KillOrder): Promise<KillFigures> {
  const startedAtMs = performance.now();
  const random = new Random(order.seed);
  const voice = new BarnVoice(ground.plan);
  const { tenant, farm } = ground.plan;
  const place = { tenant, farm, barn: voice.plan.barn };
  const edge = await edgeProgram(ground);
  const load = new DeviceLoad(edge.mqttUrl, voice, order.perSecond ?? 60);
  const writer = new HubWriter(ground.database, place, ENTERED_EVERY_MS);
  const failed = new AbortController();
  const failing = (error: unknown): never => {
    failed.abort(error);
    load.stop();
    writer.stop();
    throw error;
  };
  const edgeProgress = { args: edge.args, progress: () => load.acknowledged.length };
  const [edgeKills, hubKills] = await Promise.all([
    killAgainAndAgain(edgeProgress, order.edge, random.fork(), failed.signal).catch(failing),
    killHub(ground, order.hub, random.fork(), failed.signal).catch(failing),
  ]);
  await load.end();
  await writer.end();
  await untilEqual(ground, edge.httpUrl);
  const counts = await countRows(ground, load.acknowledged, writer.entered);
  await edgeKills.running.end("SIGKILL");
  ground.wire.hold();
  await hubKills.running.end("SIGKILL");
  return {
    edgeKills: edgeKills.kills,
    hubKills: hubKills.kills,
    whileStarting: edgeKills.whileStarting + hubKills.whileStarting,
    acknowledged: load.acknowledged.length,
    entered: writer.entered.length,
    ...counts,
    ms: Math.round(performance.now() - startedAtMs),
  };
}

async function killHub(
  ground: ServiceGround,
  kills: number,
  random: Random,
  signal: AbortSignal,
): ReturnType<typeof killAgainAndAgain> {
  const { wire } = ground;
  const args = await hubProgram(ground);
  wire.hold();
  const hub = {
    args,
    progress: async () => await takenByHub(ground),
    onReady: () => wire.open(),
    // Who dials a dead hub waits for the next life instead of for its next attempt.
    onEnd: () => wire.hold(),
  };
  return await killAgainAndAgain(hub, kills, random, signal);
}

/** Waits until the edge says that it holds what the hub's database holds. */
async function untilEqual({ database, plan }: ServiceGround, edgeUrl: string): Promise<void> {
  const tables = sharedTables("cloud", "edge");
  let different: readonly string[] = [];
  await until(
    "both hold the same",
    async () => {
      const response = await fetch(`${edgeUrl}/api/v1/sync/digest`);
      const { tables: edge } = (await response.json()) as { readonly tables: readonly { table: string; digest: string }[] };
      const hub = await digestTables(database, farmCatalog, plan.tenant, tables);
      different = hub
        .filter(({ table, digest }) => edge.find((item) => item.table === table)?.digest !== digest)
        .map(({ table }) => table);
      return different.length === 0;
    },
    ARRIVED_MS_MAX,
  ).catch((error: unknown) => {
    throw new Error(`edge and hub differ in ${different.join(", ")}`, { cause: error });
  });
}

/** Both hold the same, so that the hub's rows are the edge's as well. */
async function countRows(
  { database, plan }: ServiceGround,
  acknowledged: readonly string[],
  entered: readonly string[],
): Promise<Pick<KillFigures, "lost" | "doubled" | "held">> {
  const read = await countOf(
    database,
    "(select distinct event_id from telemetry_raw where event_id = any(string_to_array($1, ','))) as t",
    [acknowledged.join(",")],
  );
  const kept = await countOf(database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [
    entered.join(","),
  ]);
  const doubled = await countOf(
    database,
    "(select event_id from telemetry_raw where tenant_id = $1 group by event_id having count(*) > 1) as twice",
    [plan.tenant],
  );
  const held = await countOf(database, "hayloft.quarantine");
  return { lost: acknowledged.length - read + (entered.length - kept), doubled, held };
}
