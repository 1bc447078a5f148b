import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { catalog } from "../../catalog/catalog.ts";
import type { RowsOf } from "../../catalog/catalog.ts";
import { integer, text, uuid } from "../../catalog/column.ts";
import { appendOnly, lastWriterWins, singleWriter } from "../../catalog/rule.ts";
import { forever, table } from "../../catalog/table.ts";
import { createIdentity } from "../../identity/node-identity.ts";
import type { KeyIdentity } from "../../identity/node-identity.ts";
import { nodeTable } from "../../identity/node-table.ts";
import { quarantineTables } from "../../quarantine/quarantine-tables.ts";
import { serveChildren } from "../../link/ws/serve-children.ts";
import { catalogDdl } from "../../sql/catalog-ddl.ts";
import type { Database } from "../../store/database.ts";
import { freshPglite } from "../../testing/fresh-pglite.ts";
import { freshPostgres } from "../../testing/fresh-postgres.ts";
import type { OpenDatabase } from "../../testing/preparation.ts";
import { preparedCatalog } from "../../testing/prepared-catalog.ts";
import type { LogEvent } from "../log-event.ts";
import { openReplica } from "../open-replica.ts";
import type { OpenReplicaOptions } from "../open-replica.ts";
import type { Replica } from "../replica.ts";

/** A harbour of ships: the replicas that the tests of sessions run. `cloud` is the office, `edge` a ship, `tablet` a sailor. */

const tiers = ["cloud", "edge", "tablet"] as const;
const everywhere = { cloud: forever, edge: forever, tablet: forever };
const scope = { tenant: "tenant_id", ship: "ship_id" } as const;
const base = { group: "harbour", category: "operational", retain: everywhere, about: "A table of the tests." } as const;

const sighting = table("sighting", {
  ...base,
  columns: { tenant_id: text(), id: uuid(), ship_id: text().nullable(), what: text(), count: integer().default("1") },
  scope,
  writers: ["edge", "tablet"],
  flow: "up",
  rule: appendOnly(),
});

const note = table("note", {
  ...base,
  columns: { tenant_id: text(), id: text(), ship_id: text().nullable(), body: text() },
  scope,
  writers: [...tiers],
  flow: "both",
  rule: lastWriterWins(),
});

const ship = table("ship", {
  ...base,
  columns: { tenant_id: text(), id: text(), name: text() },
  scope: { tenant: "tenant_id", ship: "id" },
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
});

export const harbourCatalog = catalog({
  name: "harbour",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: ["ship"],
  sharedTenant: "everyone",
  tables: [nodeTable(tiers), ...quarantineTables(tiers), ship, note, sighting],
});

type HarbourRows = RowsOf<typeof harbourCatalog>;
export type HarbourReplica = Replica<HarbourRows>;
type Options = OpenReplicaOptions<typeof harbourCatalog>;

export const tenant = "navy";
const migrations = [{ name: "0001_initial", sql: catalogDdl(harbourCatalog) }];

/** Everything a test opens, closed in reverse order. */
export class Harbour {
  readonly #closers: (() => Promise<void>)[] = [];
  readonly events: LogEvent[] = [];

  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  /** A database that is closed with the harbour. */
  own(database: Database): Database {
    this.onClose(async () => await database.close());
    return database;
  }

  /** A database for a node of the tier, Postgres in the office and PGlite elsewhere. */
  async fresh(tier: string, open: OpenDatabase = tier === "cloud" ? freshPostgres : freshPglite): Promise<Database> {
    return this.own(await open(preparedCatalog(harbourCatalog, tier)));
  }

  async open(database: Database, identity: KeyIdentity, more: Partial<Options> = {}): Promise<HarbourReplica> {
    const log = (event: LogEvent): void => void this.events.push(event);
    const replica = await openReplica({ catalog: harbourCatalog, migrations, database, identity, log, ...more });
    this.onClose(async () => await replica.close());
    return replica;
  }

  async hub(
    database: Database,
    more: Partial<Options> = {},
  ): Promise<{ readonly replica: HarbourReplica; readonly identity: KeyIdentity }> {
    const identity = createIdentity({ tier: "cloud", tenant: null });
    return { replica: await this.open(database, identity, more), identity };
  }

  /** Serves a replica's children on a free port of this machine. */
  async serve(
    replica: HarbourReplica,
    origins: readonly string[] = [],
  ): Promise<{ readonly url: string; readonly port: number }> {
    const server = createServer();
    const children = serveChildren(replica, { server, origins });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.onClose(async () => {
      await children.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    });
    const { port } = server.address() as AddressInfo;
    return { url: `ws://127.0.0.1:${String(port)}/sync`, port };
  }
}

/** Puts a node into the registry, as enrolment does. */
export async function enrol(
  hub: HarbourReplica,
  identity: KeyIdentity,
  scopes: Readonly<Record<string, readonly string[]>> = {},
): Promise<void> {
  await hub.db
    .insertInto("replica_node")
    .values({
      tenant_id: identity.tenant ?? "",
      id: identity.nodeId,
      name: identity.tier,
      tier: identity.tier === "edge" ? "edge" : "tablet",
      role: "crew",
      public_key: Buffer.from(identity.publicKey).toString("base64url"),
      scopes: JSON.stringify(scopes),
    })
    .execute();
}

/** Waits until `read` gives what `expected` says; the last value is in the error. */
export async function eventually<T>(read: () => Promise<T>, expected: (value: T) => boolean, timeoutMs = 45_000): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (expected(value)) return value;
    if (performance.now() > endMs) throw new Error(`not within ${String(timeoutMs)} ms; last value ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
