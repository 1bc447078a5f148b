import type { Database, SqlSession } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { administer, oneRow } from "./admin-error.ts";

export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly status: "active" | "inactive" | "suspended";
  readonly created_at: Date;
}

const COLUMNS = "tenant_id as id, name, status, created_at";

/** Creates a tenant. Throws `name-taken` when the id exists. */
export async function createTenant(database: Database, tenant: { readonly name: string; readonly id?: string }): Promise<Tenant> {
  return await administer("tenant", async () => {
    const id = tenant.id ?? newId();
    const { rows } = await database.query<Tenant>(
      `insert into tenants (tenant_id, id, name) values ($1, $1, $2) returning ${COLUMNS}`,
      [id, tenant.name],
    );
    return oneRow(rows, "tenant", id);
  });
}

export async function listTenants(database: Database): Promise<readonly Tenant[]> {
  return (await database.query<Tenant>(`select ${COLUMNS} from tenants order by tenant_id`)).rows;
}

/**
 * Suspends or activates a tenant. The nodes of a suspended tenant are disconnected and refused; nothing is deleted, and what
 * they write waits with them. Throws `not-found`.
 */
export async function setTenantStatus(database: Database, id: string, status: "active" | "suspended"): Promise<Tenant> {
  const { rows } = await database.query<Tenant>(
    `update tenants set status = $2, updated_at = now() where tenant_id = $1 returning ${COLUMNS}`,
    [id, status],
  );
  return oneRow(rows, "tenant", id);
}

/** Of the given tenants, those whose nodes may connect. A shared tenant has no nodes and is never asked for. */
export async function activeTenants(database: Database, ids: readonly string[]): Promise<readonly string[]> {
  const { rows } = await database.query<{ id: string }>(
    "select tenant_id as id from tenants where tenant_id = any($1) and status = 'active'",
    [ids],
  );
  return rows.map((row) => row.id);
}

/** Throws `not-found` when there is no such tenant. */
export async function requireTenant(session: SqlSession, id: string): Promise<void> {
  oneRow((await session.query("select 1 from tenants where tenant_id = $1", [id])).rows, "tenant", id);
}
