import type { Database, KeyIdentity, LogEvent, Replica } from "@hayloft/engine";
import { createIdentity, identityFromRecord, openReplica } from "@hayloft/engine";
import { freshPglite } from "@hayloft/engine/testing";
import type { FarmRows } from "@hayloft/schema";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { preparedFarm } from "@hayloft/schema/testing";
import { createBarn, createFarm } from "../admin/places.ts";
import { createTenant } from "../admin/tenants.ts";
import { createToken } from "../admin/tokens.ts";
import type { HubSettings } from "../config/hub-settings.ts";
import type { Hub, StartHubOptions } from "../hub/start-hub.ts";
import { startHub } from "../hub/start-hub.ts";
import { freshDatabaseUrl } from "./fresh-database-url.ts";

export interface TestHub extends Hub {
  readonly events: readonly LogEvent[];
  /** Stops the hub and drops its database. */
  end(): Promise<void>;
}

/** A hub on its own database of the run's Postgres server, on a free port. */
export async function startTestHub(settings: Partial<HubSettings> = {}, options: StartHubOptions = {}): Promise<TestHub> {
  const fresh = await freshDatabaseUrl(preparedFarm("cloud"));
  const events: LogEvent[] = [];
  const hub = await startHub(
    { "http.port": 0, "enrol.attempts_per_minute": 1_000, ...settings },
    { databaseUrl: fresh.url, log: (event) => events.push(event), ...options },
  );
  return {
    ...hub,
    events,
    end: async () => {
      await hub.stop();
      await fresh.drop();
    },
  };
}

/** A tenant with one farm and one barn, named after it. */
export async function createTestFarm(database: Database, tenant: string): Promise<void> {
  await createTenant(database, { id: tenant, name: tenant });
  await createFarm(database, { tenant, id: `${tenant}-f`, name: "Farm" });
  await createBarn(database, { tenant, farm: `${tenant}-f`, id: `${tenant}-b`, name: "Barn" });
}

export const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

export async function postEnrol(
  url: string,
  body: unknown,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(`${url}/api/v1/enrol`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Makes a token and enrols a new node with it over HTTP, as an edge does. */
export async function enrolTestNode(hub: Hub, tenant: string, tier: "edge" | "tablet" = "edge"): Promise<KeyIdentity> {
  const { token } = await createToken(hub.database, { tenant, tier, role: "device_agent", ttlMs: 60_000 }, Date.now());
  const pending = createIdentity({ tier, tenant: null });
  const { status, body } = await postEnrol(hub.url, {
    token,
    publicKey: base64url(pending.publicKey),
    name: `${tenant} ${tier}`,
    tier,
  });
  if (status !== 200) throw new Error(`enrolment answered ${status}: ${JSON.stringify(body)}`);
  return identityFromRecord({ ...pending.toRecord(), nodeId: body["nodeId"], tenant });
}

export interface TestChild {
  readonly replica: Replica<FarmRows>;
  readonly database: Database;
  readonly identity: KeyIdentity;
  readonly events: readonly LogEvent[];
  close(): Promise<void>;
}

/** A child replica on PGlite that dials the hub. */
export async function openTestChild(hub: Hub, identity: KeyIdentity, syncUrl = hub.syncUrl): Promise<TestChild> {
  const database = await freshPglite(preparedFarm(identity.tier === "edge" ? "edge" : "tablet"));
  const events: LogEvent[] = [];
  const replica = await openReplica({
    catalog: farmCatalog,
    migrations: farmMigrations,
    database,
    identity,
    parent: { url: syncUrl, node: hub.nodeId, publicKey: hub.publicKey },
    log: (event) => events.push(event),
  });
  return {
    replica,
    database,
    identity,
    events,
    close: async () => {
      await replica.close();
      await database.close();
    },
  };
}
