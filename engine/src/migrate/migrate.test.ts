import { expect, it } from "vitest";
import { catalog } from "../catalog/catalog.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { text } from "../catalog/column.ts";
import { addedColumn } from "../catalog/history.ts";
import { table } from "../catalog/table.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import { sampleCatalog } from "../sql/sample-catalog.ts";
import { logOf, migrated, NODE_ID } from "../sql/sample-database.ts";
import type { Database } from "../store/database.ts";
import { eachDatabase } from "../testing/index.ts";
import { compareCatalog } from "./compare-catalog.ts";
import { engineMigrations } from "../sql/engine-migrations.ts";
import { migrate } from "./migrate.ts";
import type { MigrateOptions } from "./migrate.ts";
import type { Migration } from "./migration.ts";

const initial = { name: "0001_initial", sql: catalogDdl(sampleCatalog) };

const options = (migrations: readonly Migration[], of: Catalog = sampleCatalog): MigrateOptions => ({
  catalog: of,
  migrations,
  nodeId: NODE_ID,
  tier: "edge",
});

/** The sample catalog with one more column in `note`. */
function grownCatalog(): Catalog {
  const [...tables] = sampleCatalog.tables;
  const grown = tables.map((item) => {
    if (item.name !== "note") return item;
    return table("note", {
      ...item,
      columns: { ...item.columns, colour: text().default("'red'") },
      partition: undefined,
      scope: item.scope,
    } as never);
  });
  const history = [{ version: 2, changes: [addedColumn("note", "colour")] }];
  return catalog({ ...sampleCatalog, version: 2, history, tables: grown });
}

const tableCount = async (database: Database): Promise<number> => {
  const found = await database.query<{ count: number }>(
    "select count(*) as count from pg_class where relkind in ('r', 'p') and relnamespace in (select oid from pg_namespace where nspname in ('public', 'hayloft'))",
  );
  return found.rows[0]?.count ?? 0;
};

const engineNames = engineMigrations.map(({ name }) => name);

eachDatabase("migrate", (open) => {
  it("S11.1 brings an empty database to the catalog, and a second run changes nothing", async () => {
    const database = await open();
    expect(await migrate(database, options([initial]))).toEqual({ applied: [...engineNames, "0001_initial"] });
    expect(await compareCatalog(database, sampleCatalog)).toEqual([]);
    const triggers = "select oid::integer as oid from pg_trigger where tgname like 'hayloft%' order by oid";
    const before = (await database.query(triggers)).rows;
    expect(await migrate(database, options([initial]))).toEqual({ applied: [] });
    expect((await database.query(triggers)).rows).toEqual(before);
    await database.close();
  });

  it("applies what was added to the list, and captures the new column", async () => {
    const database = await open();
    await migrated(database, "edge");
    const added = {
      name: "0002_colour",
      sql: "alter table note add column colour text collate \"C\" not null default 'red'; update note set colour = 'blue'",
    };
    await database.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'x')");
    expect(await migrate(database, options([initial, added], grownCatalog()))).toEqual({ applied: ["0002_colour"] });
    expect(await compareCatalog(database, grownCatalog())).toEqual([]);
    await database.query("update note set title = 'y'");
    const log = await logOf(database, "t1");
    expect(log).toHaveLength(2);
    expect(log[1]?.changes[0]?.columns).toContain("colour");
    expect(log[1]?.catalogVersion).toBe(2);
    await database.close();
  });

  it("S11.1 refuses an applied migration that was altered, removed or put before others", async () => {
    const database = await open();
    await migrated(database, "edge");
    const refused = async (migrations: readonly Migration[]): Promise<void> =>
      await expect(migrate(database, options(migrations))).rejects.toMatchObject({ code: "migration-invalid" });
    await refused([{ ...initial, sql: `${initial.sql} ` }]);
    await refused([{ name: "0001_other", sql: "select 1" }]);
    await refused([{ name: "0000_first", sql: "select 1" }, initial]);
    await refused([initial, initial]);
    await refused([{ name: "first", sql: "select 1" }]);
    await database.close();
  });

  it("S11.4 refuses a database that a newer program migrated", async () => {
    const database = await open();
    await migrate(database, options([initial, { name: "0002_more", sql: "select 1" }]));
    await expect(migrate(database, options([initial]))).rejects.toMatchObject({
      code: "database-newer",
      details: { applied: "0002_more" },
    });
    await database.close();
  });

  it("F-F4 S11.4 leaves everything as it was when a migration fails, and the old version goes on", async () => {
    const database = await open();
    await migrated(database, "edge");
    const before = await tableCount(database);
    const good = { name: "0002_good", sql: "create table extra_one (id integer)" };
    const bad = { name: "0003_bad", sql: "create table extra_two (id integer); select 1 / 0" };
    await expect(migrate(database, options([initial, good, bad]))).rejects.toMatchObject({
      code: "migration-failed",
      details: { migration: "0003_bad", sqlstate: "22012" },
    });
    expect(await tableCount(database)).toBe(before);
    expect(await compareCatalog(database, sampleCatalog)).toEqual([]);
    await database.query("insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'f1', 'after')");
    expect((await logOf(database, "t1")).map(({ seq, catalogVersion }) => [seq, catalogVersion])).toEqual([[1, 1]]);
    expect(await migrate(database, options([initial, good]))).toEqual({ applied: ["0002_good"] });
    await database.close();
  });

  it("names the migration whose rows break a deferred constraint", async () => {
    const database = await open();
    const bad = {
      name: "0002_bad",
      sql: "insert into note (tenant_id, id, farm_id, title) values ('t1', gen_random_uuid(), 'nowhere', 'x')",
    };
    await expect(migrate(database, options([initial, bad]))).rejects.toMatchObject({
      code: "migration-failed",
      details: { migration: "0002_bad", sqlstate: "23503" },
    });
    await database.close();
  });

  it("does not capture the rows that a migration writes", async () => {
    const database = await open();
    await migrated(database, "edge");
    await migrate(
      database,
      options([initial, { name: "0002_seed", sql: "insert into farm (tenant_id, id, name) values ('shared', 'f3', 'three')" }]),
    );
    expect(await logOf(database, "shared")).toEqual([]);
    await database.close();
  });

  it("refuses the database of another node or tier", async () => {
    const database = await open();
    await migrated(database, "edge");
    const other = "019abc00-0000-7000-8000-000000000002";
    await expect(migrate(database, { ...options([initial]), nodeId: other })).rejects.toMatchObject({ code: "identity-invalid" });
    await expect(migrate(database, { ...options([initial]), tier: "cloud" })).rejects.toMatchObject({ code: "identity-invalid" });
    await database.close();
  });

  it("F-F3 two migrations at once leave what one would, and each step is applied once", async () => {
    const database = await open();
    const steps = [initial, { name: "0002_step", sql: "create table extra_one (id integer)" }];
    const results = await Promise.all([1, 2, 3].map(async () => await migrate(database, options(steps))));
    expect(results.flatMap((result) => result.applied).toSorted()).toEqual(["0001_initial", "0002_step", ...engineNames]);
    await database.close();
  });
});

eachDatabase("compareCatalog", (open) => {
  it("names what is missing, different and unlisted, and changes nothing", async () => {
    const database = await open();
    await migrated(database, "edge");
    const before = await tableCount(database);
    await database.script(`alter table note drop constraint note_status_allowed_check; alter table note alter column title drop not null;
      alter table note alter column ratio set default 1; drop index reading_tenant_id_farm_id_idx; create table stray (id integer primary key);
      alter table account drop constraint account_tenant_id_email_key; drop trigger hayloft_update on note;
      alter table note disable trigger hayloft_insert; alter table inbox drop column expires_at`);
    const differences = await compareCatalog(database, sampleCatalog);
    expect(differences.map(({ table: of, kind, name, problem }) => `${of} ${kind} ${name} ${problem}`).toSorted()).toEqual([
      "account constraint account_tenant_id_email_key missing",
      "inbox column expires_at missing",
      "inbox index inbox_tenant_id_expires_at_idx missing",
      "note column ratio different",
      "note column title different",
      "note constraint note_status_allowed_check missing",
      "note trigger hayloft_insert different",
      "note trigger hayloft_update missing",
      "reading index reading_tenant_id_farm_id_idx missing",
      "stray column id unlisted",
      "stray constraint stray_pkey unlisted",
      "stray table stray unlisted",
    ]);
    expect(await tableCount(database)).toBe(before + 1);
    await database.close();
  });
});
