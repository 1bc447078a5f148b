import { chmodSync } from "node:fs";
import { isHayloftError } from "@hayloft/engine";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { ArchivedPostgres, tempDir } from "@hayloft/engine/testing";
import { expect, it } from "vitest";
import { createTenant } from "../admin/tenants.ts";
import { prepareDatabase } from "../hub/prepare-database.ts";
import { roleStatements } from "./role-statements.ts";

const RIGHTS = `select r.rolname as role, r.rolsuper, r.rolcanlogin, r.rolpassword, n.nspname || '.' || c.relname as name,
    has_table_privilege(r.oid, c.oid, 'select') as reads, has_table_privilege(r.oid, c.oid, 'insert, update, delete') as writes,
    has_any_column_privilege(r.oid, c.oid, 'select') as reads_some
  from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join pg_authid r
  where c.relkind in ('r', 'p', 'v') and n.nspname in ('public', 'hayloft', 'hayloft_hub') and r.rolname like 'h%'
  order by 1, 4`;

it(
  "S12.5 a base copy brings every role back with its rights, and the hub's login opens the restored database",
  { timeout: 180_000 },
  async () => {
    const root = await tempDir();
    chmodSync(root, 0o755);
    const server = await ArchivedPostgres.start(root);
    try {
      await server.sql("create database hub");
      const before = await openPostgresDatabase({ connectionString: server.url("hub"), poolMax: 2 });
      await prepareDatabase(before, null);
      await createTenant(before, { id: "t-1", name: "One" });
      await before.script(roleStatements());
      await before.script("create role hub_login login password 'kept' in role hayloft_run");
      const rights = (await before.query(RIGHTS)).rows;
      expect(new Set(rights.map(({ role }) => role))).toEqual(
        new Set(["hayloft_admin", "hayloft_exporter", "hayloft_reader", "hayloft_run", "hub_login"]),
      );
      await server.baseCopy();
      await server.restorePoint("last_night");
      await before.close();
      await server.loseAndRestore("last_night");

      const after = await openPostgresDatabase({ connectionString: server.url("hub"), poolMax: 2 });
      expect((await after.query(RIGHTS)).rows).toEqual(rights);
      await after.close();
      const login = new URL(server.url("hub"));
      login.username = "hub_login";
      login.password = "kept";
      const hub = await openPostgresDatabase({ connectionString: login.href, poolMax: 1 });
      expect((await hub.query("select name from tenants where tenant_id = 't-1'")).rows).toEqual([{ name: "One" }]);
      const refusal = await hub.script("drop table barns").then(
        () => null,
        (error: unknown) => error,
      );
      expect(isHayloftError(refusal) && refusal.details["sqlstate"]).toBe("42501");
      await hub.close();
    } finally {
      await server.stop();
    }
  },
);
