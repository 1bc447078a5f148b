import type { Database } from "@hayloft/engine";
import { HayloftError, newId } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { newToken, tokenHash } from "../enrol/enrolment-token.ts";
import { administer, oneRow } from "./admin-error.ts";
import { farmOfBarn, requireFarm } from "./places.ts";
import { requireTenant } from "./tenants.ts";

export interface TokenRequest {
  readonly tenant: string;
  readonly tier: "edge" | "tablet";
  readonly role: string;
  /** None: all farms of the tenant. */
  readonly farms?: readonly string[];
  /** None: all barns of the farms. */
  readonly barns?: readonly string[];
  readonly ttlMs: number;
  readonly name?: string;
  readonly createdBy?: string;
}

export interface CreatedToken {
  /** Shown here and nowhere again. */
  readonly token: string;
  readonly id: string;
  readonly tenant: string;
  readonly tier: string;
  readonly role: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  readonly expires_at: Date;
}

export const TOKEN_TTL_MS_MAX = 30 * 24 * 60 * 60_000;

/**
 * Makes a token with which one node can be enrolled once until it expires. Only its sha256 is stored. Barns without farms
 * also limit the farms, to those the barns belong to. Throws `not-found` for unknown parts, `request-invalid` for the ttl.
 */
export async function createToken(database: Database, request: TokenRequest, nowMs: number): Promise<CreatedToken> {
  requireTtl(request.ttlMs);
  return await administer("token", async () => {
    await requireTenant(database, request.tenant);
    requireRole(request.role);
    const scopes = await scopesOf(database, request);
    const token = newToken();
    const id = newId();
    const expiresAt = new Date(nowMs + request.ttlMs);
    await database.query(
      `insert into enrolment_tokens (tenant_id, id, token_hash, name, tier, role, scopes, created_by, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        request.tenant,
        id,
        tokenHash(token),
        request.name ?? request.tier,
        request.tier,
        request.role,
        JSON.stringify(scopes),
        request.createdBy ?? null,
        new Date(nowMs),
        expiresAt,
      ],
    );
    return { token, id, tenant: request.tenant, tier: request.tier, role: request.role, scopes, expires_at: expiresAt };
  });
}

/**
 * Makes a token with which a new box takes the place of a node: when it is redeemed, the new node gets the grant that the old one has then, and the
 * old one is revoked. Throws `not-found`, `request-invalid` for the ttl or for a node that was replaced before.
 */
export async function createReplacementToken(
  database: Database,
  request: { readonly node: string; readonly ttlMs: number },
  nowMs: number,
): Promise<CreatedToken & { readonly replaces: string }> {
  requireTtl(request.ttlMs);
  const { rows } = await database.query<{
    id: string;
    tenant: string;
    tier: string;
    role: string;
    name: string;
    replaced: boolean;
  }>(
    `select n.id, n.tenant_id as tenant, n.tier, n.role, n.name, exists (
        select 1 from enrolment_tokens t where t.tenant_id = n.tenant_id and t.replaces_node = n.id::text and t.used_by_node is not null
      ) as replaced
      from replica_node n where n.id::text = $1 and n.tier <> 'cloud'`,
    [request.node.toLowerCase()],
  );
  const node = oneRow(rows, "node", request.node.slice(0, 64));
  if (node.replaced)
    throw new HayloftError("request-invalid", { part: "node", reason: "was replaced before; name the node that took its place" });
  const [token, id, expiresAt] = [newToken(), newId(), new Date(nowMs + request.ttlMs)];
  await database.query(
    `insert into enrolment_tokens (tenant_id, id, token_hash, name, tier, role, scopes, replaces_node, created_at, expires_at)
     select n.tenant_id, $2, $3, $4, n.tier, n.role, n.scopes, n.id::text, $5, $6 from replica_node n where n.id::text = $1`,
    [node.id, id, tokenHash(token), `in place of ${node.name}`.slice(0, 200), new Date(nowMs), expiresAt],
  );
  const { tenant, tier, role } = node;
  const granted = await database.query<{ scopes: CreatedToken["scopes"] }>("select scopes from enrolment_tokens where id = $1", [
    id,
  ]);
  return { token, id, tenant, tier, role, scopes: granted.rows[0]?.scopes ?? {}, expires_at: expiresAt, replaces: node.id };
}

function requireTtl(ttlMs: number): void {
  if (!(ttlMs > 0 && ttlMs <= TOKEN_TTL_MS_MAX)) throw new HayloftError("request-invalid", { part: "ttl", maxDays: 30 });
}

function requireRole(role: string): void {
  const roles = farmCatalog.byName.get("roles")?.columns["name"]?.allowed ?? [];
  if (!roles.includes(role)) throw new HayloftError("not-found", { what: "role", id: role.slice(0, 64), known: roles.join(",") });
}

/** The scopes of a grant from farms and barns. Throws `not-found` for unknown ones, `request-invalid` for a barn of another farm. */
export async function scopesOf(
  database: Database,
  request: Pick<TokenRequest, "tenant" | "farms" | "barns">,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const farms = [...new Set(request.farms)].sort();
  const barns = [...new Set(request.barns)].sort();
  for (const farm of farms) await requireFarm(database, request.tenant, farm);
  const farmsOfBarns = new Set<string>();
  for (const barn of barns) farmsOfBarns.add(await farmOfBarn(database, request.tenant, barn));
  const stray = farms.length > 0 ? [...farmsOfBarns].find((farm) => !farms.includes(farm)) : undefined;
  if (stray !== undefined)
    throw new HayloftError("request-invalid", { part: "barn", reason: "is not in the given farms", farm: stray });
  const limit = farms.length > 0 ? farms : [...farmsOfBarns].sort();
  return { ...(limit.length > 0 ? { farm: limit } : {}), ...(barns.length > 0 ? { barn: barns } : {}) };
}
