import type { Database } from "@hayloft/engine";
import { HayloftError, newId } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { newToken, tokenHash } from "../enrol/enrolment-token.ts";
import { administer } from "./admin-error.ts";
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
  if (!(request.ttlMs > 0 && request.ttlMs <= TOKEN_TTL_MS_MAX))
    throw new HayloftError("request-invalid", { part: "ttl", maxDays: 30 });
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
