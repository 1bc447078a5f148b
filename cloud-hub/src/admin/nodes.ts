import type { Database } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import type { ContactLimits, ContactState } from "../watch/contact-state.ts";
import { contactState } from "../watch/contact-state.ts";
import { oneRow } from "./admin-error.ts";
import { scopesOf } from "./tokens.ts";

export interface NodeView {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly tier: string;
  readonly role: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  readonly status: "active" | "revoked";
  /** How long it has been without contact; `revoked` nodes are not watched. */
  readonly contact: ContactState | "revoked";
  readonly enrolled_at: Date;
  readonly revoked_at: Date | null;
  readonly last_contact_at: Date | null;
  /** Commits of its tenant's log here that it has not acknowledged. */
  readonly behind_commits: number;
  /** The node's clock minus the hub's. */
  readonly skew_ms: number | null;
  readonly last_error_code: string | null;
}

interface NodeRow extends Omit<NodeView, "contact"> {}

const SELECT = `
  select n.tenant_id as tenant, n.id, n.name, n.tier, n.role, n.scopes, n.status, n.enrolled_at, n.revoked_at,
    p.last_contact_at, p.skew_ms, p.last_error_code,
    greatest(coalesce(h.position, 0) - coalesce(case when p.acked_incarnation = h.incarnation then p.acked_position end, 0), 0) as behind_commits
  from replica_node n
  left join hayloft.head h on h.tenant_id = n.tenant_id
  left join lateral (
    -- Of a node's copies, the one that was here last.
    select * from hayloft.peer p where p.tenant_id = n.tenant_id and p.relation = 'child' and (p.node_id = n.id or p.of_node = n.id)
    order by p.last_contact_at desc nulls last limit 1) p on true`;

export interface NodeWatch {
  readonly nowMs: number;
  readonly limits: ContactLimits;
  /** Nodes with a session at this process; a command line does not know them. */
  readonly connected: ReadonlySet<string>;
}

/** The nodes of one tenant, or of all (null), with what the hub knows of their contact. */
export async function listNodes(database: Database, tenant: string | null, watch: NodeWatch): Promise<readonly NodeView[]> {
  const { rows } =
    tenant === null
      ? await database.query<NodeRow>(`${SELECT} order by n.tenant_id, n.name, n.id`)
      : await database.query<NodeRow>(`${SELECT} where n.tenant_id = $1 order by n.name, n.id`, [tenant]);
  return rows.map((row) => viewOf(row, watch));
}

/** One node by its id. Throws `not-found`. */
export async function getNode(database: Database, id: string, watch: NodeWatch): Promise<NodeView> {
  const { rows } = await database.query<NodeRow>(`${SELECT} where n.id = $1`, [nodeId(id)]);
  return viewOf(oneRow(rows, "node", id), watch);
}

/**
 * Revokes a node: its session ends within a second, and it is refused until it is restored or enrolled again. What it sent
 * before stays. Throws `not-found`.
 */
export async function revokeNode(database: Database, id: string): Promise<void> {
  const { rows } = await database.query(
    `update replica_node set status = 'revoked', revoked_at = coalesce(revoked_at, now()), updated_at = now() where id = $1 returning id`,
    [nodeId(id)],
  );
  oneRow(rows, "node", id);
}

/** Lets a revoked node come back with its old key. Throws `not-found`. */
export async function restoreNode(database: Database, id: string): Promise<void> {
  const { rows } = await database.query(
    `update replica_node set status = 'active', revoked_at = null, updated_at = now() where id = $1 returning id`,
    [nodeId(id)],
  );
  oneRow(rows, "node", id);
}

/**
 * Gives a node another grant. Its session is opened anew within a second; what the grant newly covers is filled, what it no longer
 * covers is purged there after its unsent work has arrived here. Throws `not-found` for an unknown node, farm or barn.
 */
export async function grantNode(
  database: Database,
  id: string,
  to: { readonly farms: readonly string[]; readonly barns: readonly string[] },
): Promise<void> {
  const found = await database.query<{ tenant: string }>(`select tenant_id as tenant from replica_node where id = $1`, [
    nodeId(id),
  ]);
  const { tenant } = oneRow(found.rows, "node", id);
  const scopes = await scopesOf(database, { tenant, ...to });
  await database.query(`update replica_node set scopes = $2, updated_at = now() where id = $1`, [
    nodeId(id),
    JSON.stringify(scopes),
  ]);
}

function viewOf(row: NodeRow, watch: NodeWatch): NodeView {
  const seen = {
    connected: watch.connected.has(row.id),
    lastContactMs: row.last_contact_at?.getTime() ?? null,
    enrolledMs: row.enrolled_at.getTime(),
  };
  return { ...row, contact: row.status === "revoked" ? "revoked" : contactState(seen, watch.nowMs, watch.limits) };
}

function nodeId(id: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id.toLowerCase();
  throw new HayloftError("not-found", { what: "node", id: id.slice(0, 64) });
}
