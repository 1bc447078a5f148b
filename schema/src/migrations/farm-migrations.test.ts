import type { Database } from "@hayloft/engine";
import { migrate, newId, sha256 } from "@hayloft/engine";
import { eachDatabase, freshPglite, freshPostgres } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { farmCatalog } from "../farm-catalog.ts";
import { initialMigrationSource } from "../generate/migration-text.ts";
import { catalogShape, databaseChecks, databaseShape } from "../testing/database-shape.ts";
import { farmDatabase } from "../testing/farm-database.ts";
import { seedTables } from "../testing/seed-tables.ts";
import { initial } from "./0001-initial.ts";
import { checksums } from "./checksums.ts";
import { farmMigrations } from "./farm-migrations.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("the list of migrations", () => {
  it("S11.1 no released migration has changed", () => {
    expect(Object.fromEntries(farmMigrations.map(({ name, sql }) => [name, hex(sha256(sql))]))).toEqual(checksums);
  });

  it("S0.2 S11.3 P-S3 the first migration is what the catalog says", () => {
    const source = initialMigrationSource(farmCatalog);
    expect(source).toContain(initial.sql.replaceAll("\\", "\\\\").replaceAll("`", "\\`"));
  });
});

eachDatabase("farm migrations", (open) => {
  let database: Database;
  beforeAll(async () => {
    database = await farmDatabase(open);
  });
  afterAll(() => database.close());

  it("S5.0 S11.1 S11.3 P-S1 P-E9 from empty they make the tables of the catalog and no others", async () => {
    expect(await databaseShape(database)).toEqual(catalogShape(farmCatalog));
  });

  it("S1.4 the tables of every tier are the same, local ones included", async () => {
    const { rows } = await database.query<{ n: number }>(
      "select count(*)::int as n from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition",
    );
    expect(rows[0]?.n).toBe(farmCatalog.tables.length);
  });

  it.each(seedTables.map((item) => [item.id, item.table, item] as const))(
    "%s %s has what the seed lists",
    async (_id, table, { kind, columns }) => {
      const { rows } = await database.query<{ kind: string; name: string }>(
        `select c.relkind::text as kind, a.attname::text as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
       where c.relnamespace = 'public'::regnamespace and c.relname = $1`,
        [table],
      );
      if (kind === "absent") return expect(rows).toEqual([]);
      expect(rows.map((row) => row.name)).toEqual(expect.arrayContaining([...columns]));
      return expect(rows[0]?.kind === "v").toBe(kind === "view");
    },
  );

  it("S11.1 applying them again changes nothing", async () => {
    const node = (await database.query<{ node_id: string }>("select node_id::text from hayloft.replica")).rows[0]?.node_id ?? "";
    const again = await migrate(database, { catalog: farmCatalog, migrations: farmMigrations, nodeId: node, tier: "edge" });
    expect(again.applied).toEqual([]);
  });

  it("S11.1 a migration that was altered after it was applied is refused by name", async () => {
    const altered = farmMigrations.map((item, index) => (index === 1 ? { ...item, sql: `${item.sql}-- altered` } : item));
    const node = (await database.query<{ node_id: string }>("select node_id::text from hayloft.replica")).rows[0]?.node_id ?? "";
    await expect(
      migrate(database, { catalog: farmCatalog, migrations: altered, nodeId: node, tier: "edge" }),
    ).rejects.toMatchObject({
      code: "migration-invalid",
      details: { migration: "0002_views" },
    });
  });

  it("S2.2 no extension is needed", async () => {
    const { rows } = await database.query("select extname::text from pg_extension where extname <> 'plpgsql'");
    expect(rows).toEqual([]);
  });
});

describe("two databases", () => {
  it("D1 S1.4 S2.1 T-C18 Postgres and PGlite hold the same tables, keys and checks, to the letter", async () => {
    const [pglite, postgres] = await Promise.all([freshPglite(), freshPostgres()]);
    try {
      await migrate(pglite, { catalog: farmCatalog, migrations: farmMigrations, nodeId: newId(), tier: "tablet" });
      await migrate(postgres, { catalog: farmCatalog, migrations: farmMigrations, nodeId: newId(), tier: "cloud" });
      expect(await databaseShape(pglite)).toEqual(await databaseShape(postgres));
      expect(await databaseChecks(pglite)).toEqual(await databaseChecks(postgres));
    } finally {
      await Promise.all([pglite.close(), postgres.close()]);
    }
  });
});
