import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createToken, startHub } from "@hayloft/cloud-hub";
import { type FarmPlan, planFarm } from "@hayloft/device-simulator";
import { enrol } from "@hayloft/edge-node";
import type { Database } from "@hayloft/engine";
import { openPostgresDatabase, startEmbeddedPostgres } from "@hayloft/engine/postgres";
import { enterFarm } from "./farm-registry.ts";
import { WireProxy } from "./wire-proxy.ts";

/** Where a hub and an edge live that run as programs of their own: the database, the directory, and the wire between the two. */
export interface ServiceGround {
  readonly plan: FarmPlan;
  readonly postgresUrl: string;
  /** Connections of ours to the hub's database, which no kill cuts. */
  readonly database: Database;
  readonly edgeDir: string;
  readonly edgeNode: string;
  readonly wire: WireProxy;
}

/** A hub's database with one farm and an edge that is enrolled, none of which runs. `end` removes everything. */
export async function layGround(barns = 1): Promise<{ readonly ground: ServiceGround; readonly end: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "hayloft-services-"));
  // Where we are root, Postgres runs as another user, who has to get in.
  await chmod(directory, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDir: join(directory, "postgres") });
  const plan = planFarm("t-service", "f-service", barns);
  const { tenant } = plan;
  const hub = await startHub({ "http.port": 0 }, { databaseUrl: postgres.connectionString });
  await enterFarm(hub.database, plan);
  const wanted = { tenant, tier: "edge", role: "device_agent", ttlMs: 600_000 } as const;
  const { token } = await createToken(hub.database, wanted, Date.now());
  const edgeDir = join(directory, "edge");
  const { enrolment } = await enrol({ dataDir: edgeDir, hubUrl: hub.url, token, name: "edge" });
  await hub.stop();
  const wire = await WireProxy.listen();
  const database = await openPostgresDatabase({ connectionString: postgres.connectionString, poolMax: 3 });
  return {
    ground: { plan, postgresUrl: postgres.connectionString, database, edgeDir, edgeNode: enrolment.nodeId, wire },
    end: async () => {
      await wire.close();
      await database.close();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
