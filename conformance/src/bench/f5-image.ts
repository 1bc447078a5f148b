import { join } from "node:path";
import { createTenant, startHub } from "@hayloft/cloud-hub";
import { createIdentity, type Database, ensurePartitions, newId, openReplica } from "@hayloft/engine";
import { openWithImage } from "@hayloft/engine/image";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { Bench, START_MS } from "./bench-databases.ts";
import { assertEqualRows } from "./equal-rows.ts";
import { type Cost, startCost } from "./measure.ts";
import { TENANT } from "./replica-pair.ts";

/**
 * The first sync of an edge for which the hub keeps an image: from an empty directory until all rows are there and the session has passed the end
 * of the log. The image comes over HTTP; its making, which was before, does not count. `fill` puts the rows into the hub's database.
 */
export const syncByImage = async (fill: (database: Database) => Promise<void>): Promise<Cost> => {
  const bench = new Bench();
  try {
    const settings = { "http.port": 0, data_dir: bench.tempDir(), "log.level": "silent" } as const;
    const hub = await startHub(settings, { databaseUrl: await bench.postgresUrl() });
    bench.onClose(() => hub.stop());
    const identity = createIdentity({ nodeId: newId(), tier: "edge", tenant: TENANT });
    await ensurePartitions(hub.database, farmCatalog, START_MS, START_MS + 28 * 86_400_000);
    await createTenant(hub.database, { id: TENANT, name: TENANT });
    await hub.database.query(
      `insert into replica_node (tenant_id, id, name, tier, role, public_key) values ($1, $2, 'bench edge', 'edge', 'device_agent', $3)`,
      [TENANT, identity.nodeId, Buffer.from(identity.publicKey).toString("base64url")],
    );
    await fill(hub.database);
    await hub.images.make({ tenant: TENANT, tier: "edge", role: "device_agent", scopes: {} });
    const dataDir = join(bench.tempDir(), "data");
    const address = { node: hub.nodeId, publicKey: hub.publicKey };
    const of = { catalog: farmCatalog, migrations: farmMigrations };
    const stop = startCost();
    const { database, fromImage } = await openWithImage({
      ...of,
      dataDir,
      open: async () => await openPgliteDatabase({ dataDir }),
      tier: "edge",
      parent: { ...address, url: new URL(`${hub.url}/api/v1/image`), identity, tenant: TENANT },
      bytesMax: 2 ** 36,
      waitMs: 600_000,
      onRefused: (error) => {
        throw error;
      },
      onStep: (step) => {
        if (process.env["HAYLOFT_BENCH_STEPS"] !== undefined) console.log(`    ${step} ${Math.round(stop().ms)} ms`);
      },
    });
    bench.onClose(() => database.close());
    let filled = (_cost: Cost): void => undefined;
    const cost = new Promise<Cost>((resolve) => (filled = resolve));
    const edge = await openReplica({
      ...of,
      database,
      identity,
      filling: fromImage,
      parent: { ...address, url: hub.syncUrl },
      log: ({ event, details }) => {
        if (event === "filled" && details["missing"] === 0) filled(stop());
      },
    });
    bench.onClose(() => edge.close());
    const measured = await cost;
    await assertEqualRows(database, hub.database);
    return measured;
  } finally {
    await bench.close();
  }
};
