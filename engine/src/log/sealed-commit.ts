import type { Commit } from "../commit/commit.ts";
import type { SqlSession } from "../store/database.ts";

/** Names a commit. */
export type CommitId = Pick<Commit, "tenant" | "origin" | "seq">;

/** Seals what the transaction has written so far, and names the commit of the first tenant; null when nothing was captured. */
export async function sealedCommit(tx: SqlSession): Promise<CommitId | null> {
  await tx.script("SET CONSTRAINTS ALL IMMEDIATE");
  const { rows } = await tx.query<CommitId>(
    `select tenant_id as tenant, origin, seq from hayloft.commit
    where tenant_id = any(nullif(current_setting('hayloft.tenants', true), '')::text[])
      and txn = split_part(nullif(current_setting('hayloft.txn', true), ''), ' ', 1)::int8
    order by tenant_id limit 1`,
  );
  return rows[0] ?? null;
}
