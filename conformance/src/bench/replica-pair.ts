import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import {
  createIdentity,
  type Database,
  ensurePartitions,
  type Log,
  migrate,
  newId,
  type NodeIdentity,
  openReplica,
  type Replica,
} from "@hayloft/engine";
import { serveChildren } from "@hayloft/engine/ws";
import { farmCatalog, farmMigrations, type FarmRows } from "@hayloft/schema";
import type { Bench } from "./bench-databases.ts";
import { type Cost, startCost } from "./measure.ts";
import { START_MS } from "./bench-databases.ts";

export const TENANT = "t-bench";

/** A hub with one enrolled edge, as the services build them, without their HTTP and MQTT sides. */
export interface HubSide {
  readonly replica: Replica<FarmRows>;
  readonly database: Database;
  readonly url: string;
  readonly edgeIdentity: NodeIdentity;
  /** Opens the edge's replica; it dials at once. */
  openEdge(database: Database, log?: Log): Promise<Replica<FarmRows>>;
  /** Bytes of all sync connections so far: up is edge to hub. */
  bytes(): { readonly up: number; readonly down: number };
}

const partitions = async (database: Database): Promise<void> => {
  await ensurePartitions(database, farmCatalog, START_MS, START_MS + 28 * 86_400_000);
};

/** Starts a hub on an empty Postgres database and enrols one edge by its row. */
export const startHubSide = async (bench: Bench, database: Database): Promise<HubSide> => {
  const identity = createIdentity({ nodeId: newId(), tier: "cloud", tenant: null });
  const edgeIdentity = createIdentity({ nodeId: newId(), tier: "edge", tenant: TENANT });
  const replica = await openReplica({ catalog: farmCatalog, migrations: farmMigrations, database, identity });
  await partitions(database);
  await database.query(
    `insert into replica_node (tenant_id, id, name, tier, role, public_key) values ($1, $2, 'bench edge', 'edge', 'device_agent', $3)`,
    [TENANT, edgeIdentity.nodeId, Buffer.from(edgeIdentity.publicKey).toString("base64url")],
  );
  const server = createServer();
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  const children = serveChildren(replica, { server, path: "/sync" });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/sync`;
  bench.onClose(async () => {
    await children.close();
    await replica.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    replica,
    database,
    url,
    edgeIdentity,
    openEdge: async (edgeDatabase, log) => {
      const edge = await openReplica({
        catalog: farmCatalog,
        migrations: farmMigrations,
        database: edgeDatabase,
        identity: edgeIdentity,
        ...(log === undefined ? {} : { log }),
        parent: { url, node: identity.nodeId, publicKey: identity.publicKey },
      });
      bench.onClose(() => edge.close());
      return edge;
    },
    bytes: () => ({
      up: [...sockets].reduce((sum, socket) => sum + socket.bytesRead, 0),
      down: [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0),
    }),
  };
};

/** Migrates an edge's database so that rows can be written before a replica dials. */
export const prepareEdge = async (database: Database, nodeId: string): Promise<void> => {
  await migrate(database, { catalog: farmCatalog, migrations: farmMigrations, nodeId, tier: "edge" });
  await partitions(database);
};

/**
 * Opens the edge's replica and waits until it holds everything that its parent has for it. The cost is that of the session, from
 * its opening on: what a process does before it dials is no part of a sync.
 */
export const fillReplica = async (
  hub: HubSide,
  database: Database,
): Promise<{ readonly edge: Replica<FarmRows>; readonly cost: Cost }> => {
  let stop = startCost();
  let filled = (_cost: Cost): void => undefined;
  const cost = new Promise<Cost>((resolve) => (filled = resolve));
  const edge = await hub.openEdge(database, ({ event, details }) => {
    if (event === "session-opened") stop = startCost();
    else if (event === "filled" && details["missing"] === 0) filled(stop());
  });
  return { edge, cost: await cost };
};

const POLL_MS = 100;
const FULL_MS_MAX = 600_000;

/** Waits until the edge is connected and holds everything that its parent had for it. */
export const untilFull = async (edge: Replica<FarmRows>): Promise<void> => {
  const deadline = performance.now() + FULL_MS_MAX;
  for (;;) {
    const { filling, peers } = await edge.status();
    if (!filling && peers.some(({ connected }) => connected)) return;
    if (performance.now() > deadline) throw new Error(`the first sync did not end within ${FULL_MS_MAX / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};
