import type { Database, SqlSession } from "@hayloft/engine";
import { HayloftError, newId } from "@hayloft/engine";
import { sameSecret, tokenHash } from "./enrolment-token.ts";

export interface EnrolRequest {
  readonly token: string;
  /** The node's raw Ed25519 public key in base64url. */
  readonly publicKey: string;
  readonly name: string;
  readonly tier: string;
}

export interface EnrolledNode {
  readonly nodeId: string;
  readonly tenant: string;
  readonly role: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  /** The node in whose place it is, revoked now; null for a node of its own. */
  readonly replaces: string | null;
}

interface TokenRow {
  readonly id: string;
  readonly token_hash: string;
  readonly tenant_id: string;
  readonly tier: string;
  readonly role: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  readonly expires_at: Date;
  readonly is_revoked: boolean;
  readonly used_by_node: string | null;
  readonly replaces_node: string | null;
}

/**
 * Redeems a one-time token: the node is in the registry when it resolves, and the token is used. The same token with the same
 * key gives the same answer again until it expires, so that a lost answer can be asked for once more. Of two nodes that
 * redeem one token at once, one wins. A token that names a node to replace gives that node's present role and grant, and revokes it in the
 * same transaction; of two such tokens for one node the first counts. Throws `token-invalid` alike for an unknown, used, expired or revoked token,
 * `tenant-suspended`, and `request-invalid` for another tier than the token's.
 */
export async function enrolNode(database: Database, request: EnrolRequest, nowMs: number): Promise<EnrolledNode> {
  return await database.transaction(async (tx) => {
    const token = await lockToken(tx, request.token);
    if (token === null || token.is_revoked || token.expires_at.getTime() <= nowMs) throw new HayloftError("token-invalid");
    if (token.used_by_node !== null) return await sameAnswer(tx, token, token.used_by_node, request.publicKey);
    if (token.tier !== request.tier) throw new HayloftError("request-invalid", { part: "tier", expected: token.tier });
    const { rows } = await tx.query<{ status: string }>("select status from tenants where tenant_id = $1", [token.tenant_id]);
    if (rows[0]?.status !== "active") throw new HayloftError("tenant-suspended", { tenant: token.tenant_id });
    return await register(tx, token, request, nowMs);
  });
}

/** Locks the token's row, so that of two enrolments at once the second sees what the first did. */
async function lockToken(tx: SqlSession, token: string): Promise<TokenRow | null> {
  const hash = tokenHash(token);
  const { rows } = await tx.query<TokenRow>(
    `select tenant_id, id, token_hash, tier, role, scopes, expires_at, is_revoked, used_by_node, replaces_node
     from enrolment_tokens where token_hash = $1 for update`,
    [hash],
  );
  const [row] = rows;
  return row !== undefined && sameSecret(row.token_hash, hash) ? row : null;
}

async function sameAnswer(tx: SqlSession, token: TokenRow, nodeId: string, publicKey: string): Promise<EnrolledNode> {
  const { rows } = await tx.query<Pick<TokenRow, "role" | "scopes"> & { public_key: string }>(
    "select public_key, role, scopes from replica_node where tenant_id = $1 and id = $2 and status = 'active'",
    [token.tenant_id, nodeId],
  );
  const [node] = rows;
  if (node === undefined || !sameSecret(node.public_key, publicKey)) throw new HayloftError("token-invalid");
  return { nodeId, tenant: token.tenant_id, role: node.role, scopes: node.scopes, replaces: token.replaces_node };
}

async function register(tx: SqlSession, token: TokenRow, request: EnrolRequest, nowMs: number): Promise<EnrolledNode> {
  const nodeId = newId();
  const now = new Date(nowMs);
  const { role, scopes } = token.replaces_node === null ? token : await takeOver(tx, token, token.replaces_node, now);
  await tx.query(
    `insert into replica_node (tenant_id, id, name, tier, role, public_key, scopes, status, enrolled_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $8)`,
    [token.tenant_id, nodeId, request.name, token.tier, role, request.publicKey, JSON.stringify(scopes), now],
  );
  await tx.query("update enrolment_tokens set used_at = $3, used_by_node = $4 where tenant_id = $1 and id = $2", [
    token.tenant_id,
    token.id,
    now,
    nodeId,
  ]);
  return { nodeId, tenant: token.tenant_id, role, scopes, replaces: token.replaces_node };
}

/** Revokes the node that is replaced and gives what it was granted. Its row is locked, so that it is replaced once. */
async function takeOver(tx: SqlSession, token: TokenRow, old: string, now: Date): Promise<Pick<TokenRow, "role" | "scopes">> {
  const { rows } = await tx.query<Pick<TokenRow, "role" | "scopes">>(
    `update replica_node set status = 'revoked', revoked_at = coalesce(revoked_at, $3), updated_at = $3
     where tenant_id = $1 and id::text = $2 returning role, scopes`,
    [token.tenant_id, old, now],
  );
  const taken = await tx.query(
    "select 1 from enrolment_tokens where tenant_id = $1 and replaces_node = $2 and used_by_node is not null and id <> $3",
    [token.tenant_id, old, token.id],
  );
  const [node] = rows;
  if (node === undefined || taken.rows.length > 0) throw new HayloftError("token-invalid");
  return node;
}
