import type { Database } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { freshPostgres } from "@hayloft/engine/testing";
import { farmCatalog } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startHub } from "../hub/start-hub.ts";
import { freshDatabaseUrl } from "../testing/fresh-database-url.ts";
import { createTestFarm, enrolTestNode, openTestChild } from "../testing/test-hub.ts";
import { waitFor } from "../testing/wait-for.ts";
import { createTenant } from "../admin/tenants.ts";
import { isSuperuser, prepareDatabase } from "../hub/prepare-database.ts";
import { roleStatements } from "./role-statements.ts";

let database: Database;

beforeAll(async () => {
  database = await freshPostgres();
  await prepareDatabase(database, null);
  await createTenant(database, { id: "t-1", name: "One" });
  await database.script(roleStatements());
  await database.script(roleStatements());
});

afterAll(async () => await database.close());

/** The SQLSTATE that a statement ends with under a role, or `ok`. Nothing of it stays. */
async function under(role: string, sql: string): Promise<string> {
  try {
    await database.transaction(async (tx) => {
      await tx.script(`set local role ${role}`);
      await tx.script(sql);
      await tx.script("set constraints all immediate");
      throw new Error("undone");
    });
    return "committed";
  } catch (error) {
    if (error instanceof Error && error.message === "undone") return "ok";
    return error instanceof Error && "details" in error
      ? String((error.details as Record<string, unknown>)["sqlstate"])
      : String(error);
  }
}

const denied = "42501";
const roles = ["hayloft_run", "hayloft_admin", "hayloft_reader", "hayloft_exporter"];

describe("roleStatements", () => {
  it("S13.1 S2.4 the privilege matrix of every role and table is what the roles are for", async () => {
    const { rows } = await database.query<{ role: string; name: string; can_write: boolean; can_truncate: boolean }>(
      `select r.rolname as role, n.nspname || '.' || c.relname as name,
         has_table_privilege(r.oid, c.oid, 'insert, update, delete') as can_write, has_table_privilege(r.oid, c.oid, 'truncate') as can_truncate
       from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join pg_roles r
       where c.relkind in ('r', 'p') and n.nspname in ('public', 'hayloft', 'hayloft_hub') and r.rolname = any($1)`,
      [roles],
    );
    const groupOf = new Map<string, string>(farmCatalog.tables.map((table) => [`public.${table.name}`, table.group]));
    const adminGroups = new Set(["registry", "config", "standards", "identity", "sync", "feed"]);
    expect(rows.length).toBeGreaterThan(4 * farmCatalog.tables.length);
    for (const row of rows) {
      const group = groupOf.get(row.name);
      const isEngine = row.name.startsWith("hayloft");
      const expected =
        row.role === "hayloft_run"
          ? isEngine || group !== undefined
          : row.role === "hayloft_admin"
            ? group !== undefined && adminGroups.has(group)
            : row.role === "hayloft_exporter" && row.name === "public.consumer_positions";
      expect([row.role, row.name, row.can_write]).toEqual([row.role, row.name, expected]);
      expect([row.role, row.name, row.can_truncate]).toEqual([row.role, row.name, false]);
    }
  });

  it("S2.4 an administrator's change by SQL is captured although the role may not write the engine's tables", async () => {
    expect(await under("hayloft_admin", `insert into farms (tenant_id, id, name) values ('t-1', '${newId()}', 'A')`)).toBe("ok");
    expect(await under("hayloft_admin", "update tenants set name = 'B' where tenant_id = 't-1'")).toBe("ok");
    expect(await under("hayloft_admin", "delete from hayloft.commit")).toBe(denied);
    expect(await under("hayloft_admin", "insert into hayloft.head (tenant_id) values ('x')")).toBe(denied);
    expect(await under("hayloft_admin", "select private_key from hayloft_hub.identity")).toBe(denied);
    expect(await under("hayloft_admin", "delete from telemetry_raw")).toBe(denied);
  });

  it("S13.1 readers see no account, no token and no key", async () => {
    for (const role of ["hayloft_reader", "hayloft_exporter"]) {
      expect(await under(role, "select * from telemetry_raw")).toBe("ok");
      expect(await under(role, "select * from hayloft.peer")).toBe("ok");
      for (const table of ["users", "enrolment_tokens", "hayloft_hub.identity", "hayloft.change"])
        expect(await under(role, `select * from ${table}`)).toBe(denied);
      expect(await under(role, "update barns set name = 'x'")).toBe(denied);
    }
  });

  it("S13.1 readers see that commits are held and why, and no value of them", async () => {
    for (const role of ["hayloft_reader", "hayloft_exporter"]) {
      expect(await under(role, "select tenant_id, origin, seq, state, code, tables, held_at from hayloft.quarantine")).toBe("ok");
      expect(await under(role, "select count(*) from replica_quarantine group by tenant_id, code")).toBe("ok");
      for (const sql of [
        "select changes from hayloft.quarantine",
        "select * from hayloft.quarantine",
        "select changes from replica_quarantine",
        "select row_keys from replica_quarantine",
        "select * from hayloft.quarantined",
        "select * from hayloft.loss",
        "select * from hayloft.journal",
        "select * from hayloft.row_state",
      ])
        expect([sql, await under(role, sql)]).toEqual([sql, denied]);
    }
    expect(await under("hayloft_admin", "select changes from hayloft.quarantine")).toBe("ok");
  });

  it("S13.1 the run-time role cannot change the schema", async () => {
    for (const sql of [
      "create table x (a int)",
      "drop table barns",
      "alter table barns disable trigger all",
      "create schema x",
    ]) {
      expect(await under("hayloft_run", sql)).toBe(denied);
    }
    expect(await under("hayloft_run", "insert into farms (tenant_id, id, name) values ('t-1', 'f', 'A')")).toBe("ok");
  });

  it("S13.1 tells a superuser from the hub's own role", async () => {
    expect(await isSuperuser(database)).toBe(true);
    const asRun = await database.transaction(async (tx) => {
      await tx.script("set local role hayloft_run");
      return (await tx.query("select rolsuper from pg_roles where rolname = current_user")).rows;
    });
    expect(asRun).toEqual([{ rolsuper: false }]);
  });

  it("S13.1 a hub runs, enrols and takes rows under the run-time role, and makes no warning", { timeout: 180_000 }, async () => {
    const fresh = await freshDatabaseUrl();
    const owner = await openPostgresDatabase({ connectionString: fresh.url });
    await prepareDatabase(owner, null);
    await owner.script(roleStatements());
    await owner.script(`do $$ begin
      if not exists (select from pg_roles where rolname = 'hub_login') then create role hub_login login password 'x' in role hayloft_run; end if;
    end $$`);
    const url = new URL(fresh.url);
    url.username = "hub_login";
    url.password = "x";
    const events: string[] = [];
    const hub = await startHub({ "http.port": 0 }, { databaseUrl: url.href, log: (event) => events.push(event.event) });
    await createTestFarm(hub.database, "t-run");
    const child = await openTestChild(hub, await enrolTestNode(hub, "t-run"));
    await waitFor(
      "the barn",
      async () => (await child.database.query("select 1 from barns where id = 't-run-b'")).rows.length === 1,
      30_000,
    );
    await child.replica.write(async (_db, tx) => {
      await tx.query(
        `insert into telemetry_raw (tenant_id, id, farm_id, barn_id, device_id, metric, value, occurred_at, event_id)
         values ('t-run', $1, 't-run-f', 't-run-b', 'd', 'temperature', 21, now(), 'e')`,
        [newId()],
      );
    });
    await waitFor("the reading", async () => (await hub.database.query("select 1 from telemetry_raw")).rows.length === 1, 30_000);
    expect(events).not.toContain("database-superuser");
    await child.close();
    await hub.stop();
    await owner.close();
    await fresh.drop();
  });
});
