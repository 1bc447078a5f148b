import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as hayloft from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { serveChildren } from "@hayloft/engine/ws";

// 1. The catalog: what there is, who may write it, and how concurrent changes end.
const tiers = ["home", "phone"] as const;
const item = hayloft.table("item", {
  about: "Things to buy.",
  group: "shopping",
  category: "list",
  columns: { tenant_id: hayloft.text(), id: hayloft.uuid(), name: hayloft.text(), amount: hayloft.integer().default("1") },
  scope: { tenant: "tenant_id" },
  writers: [...tiers],
  flow: "both",
  rule: hayloft.lastWriterWins(),
  retain: { home: hayloft.forever, phone: hayloft.forever },
});
const shopping = { name: "shopping", version: 1, oldestVersion: 1, tiers, scopes: [], sharedTenant: "everyone" } as const;
const catalog = hayloft.catalog({ ...shopping, tables: [hayloft.nodeTable(tiers), item] });
const migrations = [{ name: "0001_initial", sql: hayloft.catalogDdl(catalog) }];

/** Runs a family's shopping list on two replicas, and returns what the phone shows of what was written on both. */
export async function shoppingList(say: (line: string) => void): Promise<readonly string[]> {
  // 2. A replica at home, which takes children, and knows the phone.
  const homeIdentity = hayloft.createIdentity({ tier: "home", tenant: null });
  const phoneIdentity = hayloft.createIdentity({ tier: "phone", tenant: "family" });
  const homeDatabase = await openPgliteDatabase({ dataDir: null });
  const home = await hayloft.openReplica({ catalog, migrations, database: homeDatabase, identity: homeIdentity });
  await home.db
    .insertInto("replica_node")
    .values(hayloft.registryRow(phoneIdentity, { tier: "phone", name: "Ann", role: "family" }))
    .execute();
  const server = createServer().listen(0, "127.0.0.1");
  const children = serveChildren(home, { server });
  await once(server, "listening");

  // 3. A replica on the phone, which dials home. It would work just as well with nobody there.
  const parent = {
    url: `ws://127.0.0.1:${String((server.address() as AddressInfo).port)}/sync`,
    node: homeIdentity.nodeId,
    publicKey: homeIdentity.publicKey,
  };
  const phoneDatabase = await openPgliteDatabase({ dataDir: null });
  const phone = await hayloft.openReplica({ catalog, migrations, database: phoneDatabase, identity: phoneIdentity, parent });

  // 4. Write on the phone, and wait until it is safe at home.
  const milk = { tenant_id: "family", id: hayloft.newId(), name: "milk" };
  const { receipt } = await phone.write(async (db) => await db.insertInto("item").values(milk).execute(), { author: "Ann" });
  say(`milk at home: ${(await receipt?.until("top"))?.outcome ?? "?"}`);

  // 5. Write at home, and see it appear on the phone.
  const names = await new Promise<readonly string[]>((resolve) => {
    const query = (db: typeof phone.db) => db.selectFrom("item").select("name").orderBy("name");
    phone.live(query, (rows) => {
      say(`on the phone: ${rows.map((row) => row.name).join(", ")}`);
      if (rows.length === 2) resolve(rows.map((row) => row.name));
    });
    void home.write(
      async (db) =>
        await db
          .insertInto("item")
          .values({ ...milk, id: hayloft.newId(), name: "bread" })
          .execute(),
    );
  });

  await phone.close();
  await children.close();
  await home.close();
  server.close();
  await Promise.all([phoneDatabase.close(), homeDatabase.close()]);
  return names;
}
