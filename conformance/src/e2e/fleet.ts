import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Catalog, Database, KeyIdentity, ParentAddress, Replica, RowsOf } from "@hayloft/engine";
import { createIdentity, openReplica } from "@hayloft/engine";
import type { FleetVersion } from "@hayloft/engine/testing";
import { fleetVersions } from "@hayloft/engine/testing";
import { serveChildren } from "@hayloft/engine/ws";

export const fleetTenant = "t-fleet";

export type VersionNumber = 1 | 2 | 3;

/** A replica of the fleet: of one version at a time, upgraded in place, serving children on an address that stays. */
export class FleetNode {
  readonly identity: KeyIdentity;
  readonly database: Database;
  readonly #parent: FleetNode | null;
  readonly #through: string | null;
  readonly #server: Server;
  #replica: Replica<RowsOf<Catalog>> | null = null;
  #children: { close(): Promise<void> } | null = null;
  version: VersionNumber;

  private constructor(
    database: Database,
    tier: "cloud" | "edge" | "tablet",
    version: VersionNumber,
    parent: FleetNode | null,
    through: string | null,
  ) {
    this.database = database;
    this.version = version;
    this.#parent = parent;
    this.#through = through;
    this.#server = createServer();
    this.identity = createIdentity({ tier, tenant: tier === "cloud" ? null : fleetTenant });
  }

  /** `through`: where it dials its parent, when not at the parent's own address. */
  static async start(
    database: Database,
    tier: "cloud" | "edge" | "tablet",
    version: VersionNumber,
    parent: FleetNode | null = null,
    through: string | null = null,
  ): Promise<FleetNode> {
    const node = new FleetNode(database, tier, version, parent, through);
    await new Promise<void>((resolve) => {
      node.#server.listen(0, "127.0.0.1", resolve);
    });
    if (parent !== null) await node.#enrol();
    await node.open();
    return node;
  }

  get replica(): Replica<RowsOf<Catalog>> {
    if (this.#replica === null) throw new Error("the node is closed");
    return this.#replica;
  }

  get declared(): FleetVersion {
    return fleetVersions[this.version - 1] ?? fleetVersions[0];
  }

  get address(): ParentAddress {
    const { port } = this.#server.address() as AddressInfo;
    return {
      url: `ws://127.0.0.1:${String(port)}/sync`,
      node: this.identity.nodeId,
      publicKey: this.identity.publicKey,
    };
  }

  get #top(): FleetNode {
    return this.#parent === null ? this : this.#parent.#top;
  }

  async #enrol(): Promise<void> {
    const { nodeId, tier, publicKey } = this.identity;
    await this.#top.database.query(
      "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ($1, $2, $3, $3, 'device_agent', $4)",
      [fleetTenant, nodeId, tier, Buffer.from(publicKey).toString("base64url")],
    );
  }

  async open(): Promise<void> {
    const address = this.#parent?.address;
    const parent = address === undefined ? {} : { parent: { ...address, url: this.#through ?? address.url } };
    this.#replica = await openReplica({ ...this.declared, database: this.database, identity: this.identity, ...parent });
    this.#children = serveChildren(this.#replica, { server: this.#server });
  }

  async close(): Promise<void> {
    await this.#children?.close();
    await this.#replica?.close();
    this.#children = null;
    this.#replica = null;
  }

  /** Restarts the node as another version, over the same database and address. */
  async become(version: VersionNumber): Promise<void> {
    await this.close();
    this.version = version;
    await this.open();
  }

  async end(): Promise<void> {
    await this.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.database.close();
  }

  /** Why the node has no session with its parent now; null when it has one. */
  async waitsFor(): Promise<string | null> {
    const peer = (await this.replica.status()).peers.find(({ relation }) => relation === "parent");
    return peer === undefined || peer.connected ? null : (peer.lastError?.code ?? "absent");
  }

  /** Writes a note, as the node's version has it. */
  async note(id: string, words: string): Promise<void> {
    const column = this.version === 1 ? "body" : "words";
    await this.database.query(
      `insert into note (tenant_id, id, ${column}) values ($1, $2, $3) on conflict (tenant_id, id) do update set ${column} = excluded.${column}`,
      [fleetTenant, id, words],
    );
  }

  /** Sets a gauge; the third version's rule refuses to lower it where it is written. */
  async gauge(id: string, level: number): Promise<void> {
    const value = this.version === 3 ? "greatest(gauge.level, excluded.level)" : "excluded.level";
    await this.database.query(
      `insert into gauge (tenant_id, id, level) values ($1, $2, $3) on conflict (tenant_id, id) do update set level = ${value}`,
      [fleetTenant, id, level],
    );
  }

  async reading(id: string, value: number): Promise<void> {
    await this.database.query("insert into reading (tenant_id, id, value, unit) values ($1, $2, $3, 'c')", [
      fleetTenant,
      id,
      value,
    ]);
  }
}
