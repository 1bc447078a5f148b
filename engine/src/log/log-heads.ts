import type { LogHead } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";

/** The heads of the tenants' logs, in the order asked for; a log that does not exist is made, at position 0. */
export async function logHeads(session: SqlSession, tenants: readonly string[]): Promise<readonly LogHead[]> {
  const read = async (): Promise<ReadonlyMap<string, LogHead>> => {
    const { rows } = await session.query<Omit<LogHead, "stamp"> & { readonly stamp: string }>(
      `select tenant_id as tenant, incarnation, position, seq, stamp::text as stamp from hayloft.head where tenant_id = any($1::text[])`,
      [tenants],
    );
    return new Map(rows.map((row) => [row.tenant, { ...row, stamp: BigInt(row.stamp) }]));
  };
  let heads = await read();
  if (tenants.some((tenant) => !heads.has(tenant))) {
    await session.query(`insert into hayloft.head (tenant_id) select unnest($1::text[]) on conflict do nothing`, [tenants]);
    heads = await read();
  }
  return tenants.flatMap((tenant) => heads.get(tenant) ?? []);
}
