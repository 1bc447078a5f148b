import pg from "pg";
import { afterEach, expect, it } from "vitest";
import { createIdentity } from "../identity/node-identity.ts";
import type { KeyIdentity } from "../identity/node-identity.ts";
import type { Database } from "../store/database.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { dropPostgres, freshPostgresUrl } from "../testing/fresh-postgres.ts";
import { enrol, eventually, Harbour, tenant } from "./testing/harbour.ts";
import type { HarbourReplica } from "./testing/harbour.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

/** A fresh database and its connection string, for a second process's worth of connections. */
async function freshUrl(): Promise<{ readonly url: string; readonly database: Database }> {
  const url = await freshPostgresUrl();
  harbour.onClose(async () => await dropPostgres(url));
  return { url, database: harbour.own(await openPostgresDatabase({ connectionString: url, poolMax: 5 })) };
}

async function edgeOf(hub: HarbourReplica, hubIdentity: KeyIdentity, url: string): Promise<HarbourReplica> {
  const identity = createIdentity({ tier: "edge", tenant });
  await enrol(hub, identity);
  return await harbour.open(await harbour.fresh("edge"), identity, {
    parent: { url, node: hubIdentity.nodeId, publicKey: hubIdentity.publicKey },
  });
}

const connected = async (replica: HarbourReplica): Promise<void> =>
  void (await eventually(
    async () => await replica.status(),
    ({ peers, filling }) => !filling && peers.some((peer) => peer.connected),
  ));

it("a change of a name by psql at the hub is visible on the edge in under a second", async () => {
  const { url: databaseUrl, database } = await freshUrl();
  const { replica: hub, identity } = await harbour.hub(database);
  await hub.database.query("insert into ship (tenant_id, id, name) values ($1, 's1', 'old')", [tenant]);
  const edge = await edgeOf(hub, identity, (await harbour.serve(hub)).url);
  await connected(edge);
  const psql = new pg.Client({ connectionString: databaseUrl });
  await psql.connect();
  harbour.onClose(async () => await psql.end());
  const seen: string[] = [];
  edge.live(
    (db) => db.selectFrom("ship").select("name"),
    (rows) => void seen.push(rows[0]?.name ?? ""),
  );
  await eventually(
    async () => seen.at(-1),
    (name) => name === "old",
  );
  const startMs = performance.now();
  await psql.query("update ship set name = 'new' where id = 's1'");
  await eventually(
    async () => seen.at(-1),
    (name) => name === "new",
  );
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

it("two hub processes on one database serve one tenant: what comes in at one goes out at the other", async () => {
  const { url: databaseUrl, database } = await freshUrl();
  const { replica: first, identity } = await harbour.hub(database);
  const second = await harbour.open(
    harbour.own(await openPostgresDatabase({ connectionString: databaseUrl, poolMax: 4 })),
    identity,
  );
  const left = await edgeOf(first, identity, (await harbour.serve(first)).url);
  const right = await edgeOf(first, identity, (await harbour.serve(second)).url);
  for (const edge of [left, right]) await connected(edge);
  for (const [name, edge] of [
    ["left", left],
    ["right", right],
  ] as const) {
    await edge.write(
      async (db) => await db.insertInto("note").values({ tenant_id: tenant, id: name, ship_id: null, body: name }).execute(),
    );
  }
  const notes = async (edge: HarbourReplica): Promise<string> =>
    (await edge.db.selectFrom("note").select("id").orderBy("id").execute()).map((row) => row.id).join();
  for (const edge of [left, right])
    await eventually(
      async () => await notes(edge),
      (ids) => ids === "left,right",
    );
});

it("a drained hub sends its children away and takes no new ones until another serves them", async () => {
  const { url: databaseUrl, database } = await freshUrl();
  const { replica: first, identity } = await harbour.hub(database);
  const { url } = await harbour.serve(first);
  const edge = await edgeOf(first, identity, url);
  await connected(edge);
  await first.drain(100);
  expect(first.children()).toEqual([]);
  expect((await first.status()).draining).toBe(true);
  const second = await harbour.open(
    harbour.own(await openPostgresDatabase({ connectionString: databaseUrl, poolMax: 4 })),
    identity,
  );
  expect((await second.status()).draining).toBe(false);
  await eventually(
    async () => (await edge.status()).peers[0]?.lastError?.code ?? null,
    (code) => code === "draining" || code === "unavailable",
  );
});
