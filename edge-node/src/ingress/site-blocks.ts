import type { Database, SqlSession } from "@hayloft/engine";
import { newId } from "@hayloft/engine";

interface BlockRequest {
  readonly tenant: string;
  readonly nodeId: string;
  readonly kind: "device" | "station";
  readonly id: string;
  readonly reason: string | null;
}

/**
 * Blocks a device or station on this site, from the next message on and without the hub. The audit event in the same
 * transaction replicates, so that the hub learns of it.
 */
export async function blockOnSite(database: Database, request: BlockRequest): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.query(
      `insert into site_block_list (tenant_id, kind, subject_id, reason, blocked_by) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, kind, subject_id) do update set reason = excluded.reason, blocked_by = excluded.blocked_by, blocked_at = now()`,
      [request.tenant, request.kind, request.id, request.reason, request.nodeId],
    );
    await audit(tx, request, "blocked-on-site");
  });
}

/** Takes a block back. False when there was none. */
export async function unblockOnSite(database: Database, request: BlockRequest): Promise<boolean> {
  return database.transaction(async (tx) => {
    const { affected } = await tx.query("delete from site_block_list where tenant_id = $1 and kind = $2 and subject_id = $3", [
      request.tenant,
      request.kind,
      request.id,
    ]);
    if (affected > 0) await audit(tx, request, "unblocked-on-site");
    return affected > 0;
  });
}

/** Everything that is blocked on this site. */
export async function listBlocks(session: SqlSession): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { rows } = await session.query(
    "select kind, subject_id, reason, blocked_at from site_block_list order by kind, subject_id limit 10000",
  );
  return rows;
}

async function audit(tx: SqlSession, request: BlockRequest, action: string): Promise<void> {
  await tx.query(
    `insert into audit_events (tenant_id, id, actor_id, actor_role, action, resource_type, resource_id, summary, node_id)
     values ($1, $2, $3, 'device_agent', $4, $5, $6, $7, $3)`,
    [request.tenant, newId(), request.nodeId, action, request.kind, request.id, `${request.kind} ${action}`],
  );
}
