import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { changeBody, changeDigest } from "../commit/commit-hash.ts";
import type { Change } from "../commit/commit.ts";
import { renameSeen } from "../merge/row-seen.ts";
import type { SqlSession } from "../store/database.ts";
import { changeOfRow, type ChangeRow } from "./commit-row.ts";
import { hex } from "./keep-foreign.ts";

/** A change as the log has it, with its place. */
export interface PlacedChange {
  readonly row: ChangeRow & { readonly ordinal: number };
  readonly change: Change;
}

export async function readPlacedChanges(
  tx: SqlSession,
  tenant: string,
  txns: readonly number[],
): Promise<readonly PlacedChange[]> {
  const { rows } = await tx.query<PlacedChange["row"]>(
    `select txn, ordinal, table_name, op, columns, row_count, body from hayloft.change where tenant_id = $1 and txn = any($2::bigint[]) order by txn, ordinal`,
    [tenant, txns],
  );
  return rows.map((row) => ({ row, change: changeOfRow(row) }));
}

/**
 * Gives stamps that changes say to have seen their new names, in the log. Returns the digests of all the changes by transaction.
 */
export async function renameChanges(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  changes: readonly PlacedChange[],
  renamed: (stamp: string, node: string) => string | null,
): Promise<ReadonlyMap<number, readonly Uint8Array[]>> {
  const digests = new Map<number, Uint8Array[]>();
  const altered: { readonly row: PlacedChange["row"]; readonly body: string; readonly digest: Uint8Array }[] = [];
  for (const { row, change: before } of changes) {
    const change = renameSeen(before, renamed);
    const body = change === before ? row.body : changeBody(change);
    const digest = changeDigest(change, body, env.sha256);
    if (change !== before) altered.push({ row, body, digest });
    digests.set(row.txn, [...(digests.get(row.txn) ?? []), digest]);
  }
  if (altered.length === 0) return digests;
  await tx.query(
    `update hayloft.change as c set body = incoming.body, digest = incoming.digest
    from unnest($2::bigint[], $3::integer[], $4::text[], $5::bytea[]) as incoming (txn, ordinal, body, digest)
    where c.tenant_id = $1 and c.txn = incoming.txn and c.ordinal = incoming.ordinal`,
    [
      tenant,
      altered.map(({ row }) => row.txn),
      altered.map(({ row }) => row.ordinal),
      altered.map(({ body }) => body),
      altered.map(({ digest }) => hex(digest)),
    ],
  );
  return digests;
}
