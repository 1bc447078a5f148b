import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Clock, Database, KeyIdentity, LogEvent, ParentAddress, Replica } from "@hayloft/engine";
import { createIdentity, openReplica } from "@hayloft/engine";
import { serveChildren } from "@hayloft/engine/ws";
import { WireProxy } from "../e2e/wire-proxy.ts";
import { until } from "../e2e/until.ts";
import { mixedCatalog, mixedMigrations, TENANT } from "./mixed-catalog.ts";

type Rows = Record<string, Record<string, unknown>>;

const EVENTS_KEPT = 30;

/** A replica with its database, its server for children and its wire to the parent; it can be closed and opened again. */
export class Tier {
  readonly identity: KeyIdentity;
  readonly database: Database;
  /** To the parent; null at the top. */
  readonly wire: WireProxy | null;
  readonly #parent: Tier | null;
  readonly #clock: Clock | null;
  readonly #events: { readonly atMs: number; readonly event: LogEvent }[] = [];
  #replica: Replica<Rows> | null = null;
  #served: { readonly server: Server; readonly close: () => Promise<void> } | null = null;

  private constructor(
    identity: KeyIdentity,
    database: Database,
    parent: Tier | null,
    wire: WireProxy | null,
    clock: Clock | null,
  ) {
    this.identity = identity;
    this.database = database;
    this.wire = wire;
    this.#parent = parent;
    this.#clock = clock;
  }

  static async start(
    tier: "cloud" | "edge" | "tablet",
    database: Database,
    parent: Tier | null,
    clock: Clock | null = null,
  ): Promise<Tier> {
    const identity = createIdentity({ tier, tenant: parent === null ? null : TENANT });
    const wire = parent === null ? null : await WireProxy.listen();
    const started = new Tier(identity, database, parent, wire, clock);
    await started.open();
    return started;
  }

  get replica(): Replica<Rows> {
    if (this.#replica === null) throw new Error("the replica is closed");
    return this.#replica;
  }

  get port(): number {
    return (this.#served?.server.address() as AddressInfo | null)?.port ?? 0;
  }

  async open(): Promise<void> {
    const parent = this.#address();
    this.#replica = (await openReplica({
      catalog: mixedCatalog,
      migrations: mixedMigrations,
      database: this.database,
      identity: this.identity,
      // Positions are told at once, so that a schedule ends when everything has arrived and not a second later.
      limits: { quietPositionMs: 5 },
      log: (event) => {
        this.#events.push({ atMs: performance.now(), event });
        if (this.#events.length > EVENTS_KEPT) this.#events.shift();
      },
      ...(this.#clock === null ? {} : { clock: this.#clock }),
      ...(parent === null ? {} : { parent }),
    })) as unknown as Replica<Rows>;
    if (this.identity.tier !== "tablet") await this.#serve(this.#replica);
  }

  /** What its peers are to it, and what happened last, for a person who asks why something did not arrive. */
  async account(): Promise<string> {
    const nowMs = performance.now();
    const { peers } = await this.replica.status();
    const lines = this.#events.map(({ atMs, event: { event, peer, error, details } }) =>
      [`${String(Math.round(atMs - nowMs))} ms`, event, peer, error?.message, JSON.stringify(details)].join(" "),
    );
    return [`${this.identity.tier}: ${JSON.stringify(peers)}`, ...lines].join("\n  ");
  }

  async close(): Promise<void> {
    await this.#replica?.close();
    this.#replica = null;
    await this.#served?.close();
    this.#served = null;
  }

  async end(): Promise<void> {
    await this.close();
    await this.wire?.close();
    await this.database.close();
  }

  #address(): ParentAddress | null {
    if (this.#parent === null || this.wire === null) return null;
    this.wire.aim(`http://127.0.0.1:${String(this.#parent.port)}`);
    const url = `${this.wire.url.replace(/^http/, "ws")}/sync`;
    const { nodeId: node, publicKey } = this.#parent.identity;
    return { url, node, publicKey, reconnect: { baseMs: 10, capMs: 40 } };
  }

  async #serve(replica: Replica<Rows>): Promise<void> {
    const server = createServer();
    // The server does not end connections that became WebSockets.
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    });
    const children = serveChildren(replica, { server });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const close = async (): Promise<void> => {
      await children.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    };
    this.#served = { server, close };
  }
}

/** Tablet, edge and hub on real databases, joined by real WebSockets that a schedule can cut. */
export class ThreeTiers {
  readonly hub: Tier;
  readonly edge: Tier;
  readonly tablet: Tier;

  private constructor(hub: Tier, edge: Tier, tablet: Tier) {
    this.hub = hub;
    this.edge = edge;
    this.tablet = tablet;
  }

  static async start(
    databases: { readonly hub: Database; readonly edge: Database; readonly tablet: Database },
    clocks: { readonly edge?: Clock; readonly tablet?: Clock } = {},
  ): Promise<ThreeTiers> {
    const hub = await Tier.start("cloud", databases.hub, null);
    const edge = await Tier.start("edge", databases.edge, hub, clocks.edge ?? null);
    const tablet = await Tier.start("tablet", databases.tablet, edge, clocks.tablet ?? null);
    const tiers = new ThreeTiers(hub, edge, tablet);
    for (const { identity } of [edge, tablet])
      await hub.database.query(
        "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ($1, $2, $3, $3, 'crew', $4)",
        [TENANT, identity.nodeId, identity.tier, Buffer.from(identity.publicKey).toString("base64url")],
      );
    await tiers.settle();
    return tiers;
  }

  get all(): readonly Tier[] {
    return [this.hub, this.edge, this.tablet];
  }

  /** Closes a tier and opens it again; children dial its new address. */
  async restart(tier: Tier): Promise<void> {
    await tier.close();
    await tier.open();
    if (tier === this.edge) this.tablet.wire?.aim(`http://127.0.0.1:${String(tier.port)}`);
  }

  /** Opens all wires and waits until every commit is everywhere and every acknowledgement has come back. */
  async settle(withinMs = 60_000): Promise<void> {
    for (const { wire } of this.all) wire?.open();
    let last = "";
    await until(
      "everything has arrived",
      async () => {
        const { hub, edge, tablet } = this;
        const [top, middle] = [hub.identity.nodeId, edge.identity.nodeId];
        const places = await Promise.all([
          placeOf(hub.database, null, middle),
          placeOf(edge.database, top, tablet.identity.nodeId),
          placeOf(tablet.database, middle, null),
        ]);
        const seen = JSON.stringify(places);
        const isQuiet = seen === last && isSettled(places);
        last = seen;
        return isQuiet;
      },
      withinMs,
    ).catch(async (error: unknown) => {
      const accounts = await Promise.all(this.all.map(async (tier) => await tier.account()));
      throw new Error(["not everything arrived", last, ...accounts].join("\n"), { cause: error });
    });
  }

  async end(): Promise<void> {
    for (const tier of this.all.toReversed()) await tier.end();
  }
}

interface Place {
  readonly incarnation: string;
  readonly seq: number;
  /** The last position in the log with something for the parent, and for the child. */
  readonly upward: number;
  readonly downward: number;
  readonly received: number | null;
  readonly acked: number | null;
  readonly origins: Readonly<Record<string, number>>;
}

async function placeOf(database: Database, parent: string | null, child: string | null): Promise<Place> {
  const { rows } = await database.query<Place>(
    `select h.incarnation, h.seq, p.received_position as received, p.acked_position as acked,
      coalesce((select max(c.position) from hayloft.commit c where c.tenant_id = h.tenant_id and c.via is distinct from $2::uuid), 0) as upward,
      coalesce((select max(c.position) from hayloft.commit c where c.tenant_id = h.tenant_id and c.via is distinct from $3::uuid), 0) as downward,
      coalesce((select jsonb_object_agg(o.incarnation, o.seq) from hayloft.origin o where o.tenant_id = h.tenant_id), '{}') as origins
    from hayloft.head h left join hayloft.peer p on p.tenant_id = h.tenant_id and p.relation = 'parent' where h.tenant_id = $1`,
    [TENANT, parent, child],
  );
  return rows[0] ?? { incarnation: "", seq: 0, upward: 0, downward: 0, received: null, acked: null, origins: {} };
}

function isSettled([hub, edge, tablet]: readonly Place[]): boolean {
  if (hub === undefined || edge === undefined || tablet === undefined) return false;
  const arrived = [edge, tablet].every(({ incarnation, seq }) => (hub.origins[incarnation] ?? 0) >= seq);
  const told = (edge.received ?? 0) >= hub.downward && (tablet.received ?? 0) >= edge.downward;
  const acknowledged = [edge, tablet].every(({ acked, upward }) => (acked ?? 0) >= upward);
  return arrived && told && acknowledged;
}
