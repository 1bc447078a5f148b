import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Catalog, Database, KeyIdentity, Migration, Replica, RowsOf } from "@hayloft/engine";
import { addedColumn, catalog, createIdentity, newId, openReplica, text } from "@hayloft/engine";
import { freshPglite, freshPostgres } from "@hayloft/engine/testing";
import { serveChildren } from "@hayloft/engine/ws";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { countOf } from "./equal-tables.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

interface Version {
  readonly catalog: Catalog;
  readonly migrations: readonly Migration[];
}

const tenant = "t-version";
const withNickname = farmCatalog.tables.map((table) =>
  table.name === "barns" ? { ...table, columns: { ...table.columns, nickname: text().nullable() } } : table,
);
const present: Version = { catalog: farmCatalog, migrations: farmMigrations };
/** The farm as its next version may be: a table has one more column. */
const next: Version = {
  catalog: catalog({
    ...farmCatalog,
    version: farmCatalog.version + 1,
    history: [{ version: farmCatalog.version + 1, changes: [addedColumn("barns", "nickname")] }],
    tables: withNickname,
  }),
  migrations: [...farmMigrations, { name: "9000_nickname", sql: 'alter table barns add column nickname text collate "C"' }],
};
/** Behind what the next version's hub supports. */
const ancient: Version = { ...present, catalog: catalog({ ...farmCatalog, version: 0, oldestVersion: 0 }) };
/** A build that says it is the next version and is not. */
const forked: Version = { ...present, catalog: catalog({ ...farmCatalog, version: next.catalog.version }) };

const hubKey = createIdentity({ tier: "cloud", tenant: null });
let top: Database;
let server: Server;
let hub: Replica<RowsOf<Catalog>>;
let children: { close(): Promise<void> };

async function startHub(version: Version): Promise<void> {
  hub = await openReplica({ ...version, database: top, identity: hubKey });
  children = serveChildren(hub, { server });
}

async function stopHub(): Promise<void> {
  await children.close();
  await hub.close();
}

beforeAll(async () => {
  top = await freshPostgres();
  server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  await startHub(present);
  await top.query("insert into tenants (tenant_id, id, name) values ($1, $1, 'Tenant')", [tenant]);
  await top.query("insert into farms (tenant_id, id, name) values ($1, 'f', 'Farm')", [tenant]);
  await top.query("insert into barns (tenant_id, farm_id, id, name) values ($1, 'f', 'b', 'Barn')", [tenant]);
});
afterAll(async () => {
  await stopHub();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await top.close();
});

async function enrolled(): Promise<KeyIdentity> {
  const key = createIdentity({ tier: "edge", tenant });
  await top.query(
    "insert into replica_node (tenant_id, id, name, tier, role, public_key) values ($1, $2, 'edge', 'edge', 'device_agent', $3)",
    [tenant, key.nodeId, Buffer.from(key.publicKey).toString("base64url")],
  );
  return key;
}

async function openEdge(version: Version, database: Database, identity: KeyIdentity): Promise<Replica<RowsOf<Catalog>>> {
  const { port } = server.address() as AddressInfo;
  const parent = { url: `ws://127.0.0.1:${port}/sync`, node: hubKey.nodeId, publicKey: hubKey.publicKey };
  return await openReplica({ ...version, database, identity, parent });
}

const refusedFor = async (edge: Replica<RowsOf<Catalog>>, code: string): Promise<boolean> => {
  const parent = (await edge.status()).peers[0];
  return parent?.connected !== true && parent?.lastError?.code === code;
};

async function addAudit(edge: Replica<RowsOf<Catalog>>): Promise<string> {
  const id = newId();
  await edge.write(async (_db, tx) => {
    await tx.query(
      `insert into audit_events (tenant_id, id, actor_id, actor_role, action, resource_type, summary)
       values ($1, $2, 'a', 'viewer', 'looked', 'barn', 'looked at a barn')`,
      [tenant, id],
    );
  });
  return id;
}

describe("versions of the catalog that do not fit", () => {
  it("F-F2 S11.3 S11.4 S11.5 an edge newer than its hub waits with the reason, works on, and loses nothing when the hub follows or it is rolled back", async () => {
    const database = await freshPglite();
    const key = await enrolled();
    const edge = await openEdge(next, database, key);
    await until("the refusal", async () => await refusedFor(edge, "catalog-version"));
    const id = await addAudit(edge);
    expect(await countOf(database, "audit_events where id = $1", [id])).toBe(1);
    expect(await countOf(top, "audit_events where id = $1", [id])).toBe(0);
    await stopHub();
    await startHub(next);
    await until("its row", async () => (await countOf(top, "audit_events where id = $1", [id])) === 1);
    await until("the barn", async () => (await countOf(database, "barns where id = 'b' and nickname is null")) === 1);
    await top.query("update barns set nickname = 'Shed' where id = 'b'");
    await until("the new column", async () => (await countOf(database, "barns where nickname = 'Shed'")) === 1);
    expect(await countOf(database, "hayloft.quarantine")).toBe(0);
    await edge.close();
    // A daemon that is rolled back says that it cannot open the newer database, and changes nothing in it.
    await expect(openEdge(present, database, key)).rejects.toMatchObject({
      code: "database-newer",
      details: { applied: "9000_nickname" },
      message: expect.stringContaining("Start the newer version; nothing in the database was changed.") as unknown,
    });
    expect(await countOf(database, "audit_events where id = $1", [id])).toBe(1);
    expect(await countOf(database, "barns where nickname = 'Shed'")).toBe(1);
    await database.close();
  });

  it("S11.3 F-F1 an edge that is older than the hub supports, or whose catalog has the same version and other content, waits with the reason", async () => {
    for (const version of [ancient, forked]) {
      const database = await freshPglite();
      const edge = await openEdge(version, database, await enrolled());
      await until("the refusal", async () => await refusedFor(edge, "catalog-version"));
      const id = await addAudit(edge);
      expect(await countOf(database, "audit_events where id = $1", [id])).toBe(1);
      expect(await countOf(database, "barns")).toBe(0);
      await edge.close();
      await database.close();
    }
  });
});
