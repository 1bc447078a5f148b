import type { Database } from "@hayloft/engine";

/** Writes down that these children are connected at `nowMs`, so that other processes and commands see it too. */
export async function noteContact(
  database: Database,
  children: readonly { readonly tenant: string; readonly name: string }[],
  nowMs: number,
): Promise<void> {
  if (children.length === 0) return;
  await database.query(
    `update hayloft.peer set last_contact_at = $3 from unnest($1::text[], $2::uuid[]) as seen (tenant_id, node_id)
     where peer.tenant_id = seen.tenant_id and peer.node_id = seen.node_id and peer.last_contact_at is distinct from $3`,
    [children.map((child) => child.tenant), children.map((child) => child.name), new Date(nowMs)],
  );
}
