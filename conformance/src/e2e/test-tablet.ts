import { createToken } from "@hayloft/cloud-hub";
import type { Database, KeyIdentity, LogEvent, ParentAddress, Replica } from "@hayloft/engine";
import { createIdentity, identityFromRecord, openReplica } from "@hayloft/engine";
import { freshPglite } from "@hayloft/engine/testing";
import type { FarmRows } from "@hayloft/schema";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { preparedFarm } from "@hayloft/schema/testing";
import type { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

export interface NodeRequest {
  readonly tenant: string;
  readonly tier: "edge" | "tablet";
  readonly farms?: readonly string[];
  readonly barns?: readonly string[];
}

/** Enrols a node at the hub over HTTP, as a tablet does, and returns its key. */
export async function enrolNode(hub: TestHub, { tenant, tier, farms, barns }: NodeRequest): Promise<KeyIdentity> {
  const { token } = await createToken(
    hub.database,
    { tenant, tier, role: "house_operator", ttlMs: 600_000, ...(farms ? { farms } : {}), ...(barns ? { barns } : {}) },
    Date.now(),
  );
  const pending = createIdentity({ tier, tenant: null });
  const response = await fetch(`${hub.url}/api/v1/enrol`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token, publicKey: Buffer.from(pending.publicKey).toString("base64url"), name: tier, tier }),
  });
  const answer = (await response.json()) as { readonly nodeId?: string };
  if (!response.ok || answer.nodeId === undefined) throw new Error(`the enrolment answered ${response.status}`);
  return identityFromRecord({ ...pending.toRecord(), nodeId: answer.nodeId, tenant });
}

/** A tablet: a replica on PGlite below an edge or the hub. Its parent can be changed, and it can be closed and opened again. */
export class TestTablet {
  readonly identity: KeyIdentity;
  readonly database: Database;
  readonly events: LogEvent[] = [];
  #replica: Replica<FarmRows> | null = null;

  private constructor(identity: KeyIdentity, database: Database) {
    this.identity = identity;
    this.database = database;
  }

  static async enrol(hub: TestHub, request: Omit<NodeRequest, "tier">): Promise<TestTablet> {
    return new TestTablet(await enrolNode(hub, { ...request, tier: "tablet" }), await freshPglite(preparedFarm("tablet")));
  }

  get replica(): Replica<FarmRows> {
    if (this.#replica === null) throw new Error("the tablet is closed");
    return this.#replica;
  }

  /** Opens the replica; without a parent it works offline. */
  async open(parent: ParentAddress | null): Promise<void> {
    this.#replica = await openReplica({
      catalog: farmCatalog,
      migrations: farmMigrations,
      database: this.database,
      identity: this.identity,
      log: (event) => this.events.push(event),
      ...(parent === null ? {} : { parent }),
    });
  }

  /** Opens it and waits until it is connected and holds its master data. */
  async connect(parent: ParentAddress): Promise<void> {
    await this.open(parent);
    await until("the tablet is filled", async () => {
      const status = await this.replica.status();
      const { rows } = await this.database.query("select 1 from tenants");
      return status.peers.some(({ connected, node }) => connected && node === parent.node) && !status.filling && rows.length > 0;
    });
  }

  /** Closes the replica; the database stays. */
  async close(): Promise<void> {
    const replica = this.#replica;
    this.#replica = null;
    await replica?.close();
  }

  async end(): Promise<void> {
    await this.close();
    await this.database.close();
  }
}
