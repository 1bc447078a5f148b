import type { Database, Grant } from "@hayloft/engine";
import { isReplicated } from "@hayloft/engine";
import { sqlName } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";

/** The tier whose stores are directories of PGlite. */
export const IMAGE_TIER = "edge";

interface GrantRow {
  readonly tenant: string;
  readonly role: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

const grantOf = ({ tenant, role, scopes }: GrantRow): Grant => ({ tenant, tier: IMAGE_TIER, role, scopes });

/** The grants that nodes will have which are about to come: those of tokens that can be used, newest first. */
export async function expectedGrants(database: Database, nowMs: number): Promise<readonly Grant[]> {
  const { rows } = await database.query<GrantRow>(
    `select t.tenant_id as tenant, coalesce(n.role, t.role) as role, coalesce(n.scopes, t.scopes) as scopes
     from enrolment_tokens t
     join tenants on tenants.tenant_id = t.tenant_id and tenants.status = 'active'
     left join replica_node n on n.tenant_id = t.tenant_id and n.id::text = t.replaces_node
     where t.tier = $1 and t.used_by_node is null and not t.is_revoked and t.expires_at > $2
     order by t.created_at desc, t.id`,
    [IMAGE_TIER, new Date(nowMs)],
  );
  return rows.map(grantOf);
}

/** The nodes that may have an image, with their grants. */
export async function presentNodes(database: Database): Promise<readonly { readonly name: string; readonly grant: Grant }[]> {
  const { rows } = await database.query<GrantRow & { readonly name: string }>(
    `select n.name, n.tenant_id as tenant, n.role, n.scopes from replica_node n
     join tenants on tenants.tenant_id = n.tenant_id and tenants.status = 'active'
     where n.tier = $1 and n.status = 'active' order by n.tenant_id, n.name, n.id`,
    [IMAGE_TIER],
  );
  return rows.map((row) => ({ name: row.name, grant: grantOf(row) }));
}

/** True when a tenant has so many rows that an image is worth its making. Reads no more rows than that. */
export async function hasRows(database: Database, tenant: string, rowsMin: number): Promise<boolean> {
  let left = rowsMin;
  for (const table of farmCatalog.tables) {
    if (left <= 0) return true;
    if (!isReplicated(table) || table.retain[IMAGE_TIER] === undefined) continue;
    const { rows } = await database.query<{ count: number }>(
      `select count(*)::integer as count from (select from ${sqlName(table.name)} where ${sqlName(table.scope.tenant)} = $1 limit $2) counted`,
      [tenant, left],
    );
    left -= rows[0]?.count ?? 0;
  }
  return left <= 0;
}
