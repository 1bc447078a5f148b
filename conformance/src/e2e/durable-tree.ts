import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planFarm } from "@hayloft/device-simulator";
import type { Database, DurabilityLevel, Receipt, Replica } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { StandbyPostgres } from "@hayloft/engine/testing";
import type { FarmRows } from "@hayloft/schema";
import { AckWitness } from "./ack-witness.ts";
import { countOf } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { TestTablet } from "./test-tablet.ts";

const plan = planFarm("t-level", "f-level", 1);
const { tenant, farm } = plan;
const barn = plan.barns[0]?.barn ?? "";

/** A hub on a Postgres server of its own that syncs its files, an edge daemon with its store on disk, and a tablet in memory below it. */
export interface DurableTree {
  readonly server: StandbyPostgres;
  readonly hub: TestHub;
  readonly edge: TestEdge;
  readonly tablet: TestTablet;
  /** Between hub and edge. */
  readonly upper: AckWitness;
  /** Between edge and tablet. */
  readonly lower: AckWitness;
  end(): Promise<void>;
}

/** The server's standby is not made yet, and the hub's database is set up as by an operator who wanted it fast. */
export async function growDurableTree(): Promise<DurableTree> {
  const root = await mkdtemp(join(tmpdir(), "hayloft-levels-"));
  // Where we are root, Postgres runs as another user, who has to get in.
  await chmod(root, 0o755);
  const server = await StandbyPostgres.start(root);
  await server.sql("create database hub");
  await server.sql("alter database hub set synchronous_commit = off");
  const hub = await TestHub.startOn(server.url("hub"), { "database.second_site": "standby" });
  await enterFarm(hub.database, plan);
  const upper = await AckWitness.before(hub.hub.syncUrl);
  const edge = await TestEdge.enrol(hub, { tenant, config: { "image.wait_seconds": 0, "hub.reconnect_max_ms": 500 } });
  edge.wire.aim(upper.syncUrl);
  await edge.start();
  await edge.filled();
  const lower = await AckWitness.before(edge.address.url);
  const tablet = await TestTablet.enrol(hub, { tenant, farms: [farm], barns: [barn] });
  await tablet.connect({ ...edge.address, url: lower.syncUrl });
  const end = async (): Promise<void> => {
    await tablet.end();
    await edge.end();
    await hub.end();
    await lower.close();
    await upper.close();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  };
  return { server, hub, edge, tablet, upper, lower, end };
}

/** Writes a row, as the application of a barn does. */
export async function addMortality(replica: Replica<FarmRows>): Promise<{ readonly id: string; readonly receipt: Receipt }> {
  const id = newId();
  const row = { tenant_id: tenant, farm_id: farm, barn_id: barn, id, occurred_at: new Date(), animal_count: 1 };
  const { receipt } = await replica.write(async (db) => await db.insertInto("barn_mortality_event").values(row).execute());
  if (receipt === null) throw new Error("a replicated row has a receipt");
  return { id, receipt };
}

/** How many of these rows the database has. */
export const countRows = async (database: Database, ids: readonly string[]): Promise<number> =>
  await countOf(database, "barn_mortality_event where id = any($1)", [ids]);

/** The levels that the author's receipt names: of its own store, of its parent's, and of what is told later. */
export async function levelsOf(receipt: Receipt): Promise<readonly (DurabilityLevel | null)[]> {
  const { device, parent, safe } = await receipt.read();
  return [device.level, parent.level, safe.level];
}
