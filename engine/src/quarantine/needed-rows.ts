import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { SqlSession } from "../store/database.ts";
import { placeName } from "./dependence.ts";
import type { HeldId } from "./held-commit.ts";
import { rowsHere } from "./rows-here.ts";

const nameOf = ({ origin, seq }: HeldId): string => `${origin} ${String(seq)}`;

/** Of held commits those whose references all lead to rows that are here, so that it is worth trying them; in the order given. */
export async function allNeedsHere<Id extends HeldId>(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  ids: readonly Id[],
): Promise<readonly Id[]> {
  if (ids.length === 0) return ids;
  const { rows } = await tx.query<HeldId & { readonly table_name: string; readonly row_key: string }>(
    `select p.origin, p.seq, p.table_name, p.row_key from hayloft.quarantine_place p
    join unnest($2::uuid[], $3::bigint[]) as asked (origin, seq) on asked.origin = p.origin and asked.seq = p.seq
    where p.tenant_id = $1 and p.use = 'needs'`,
    [tenant, ids.map(({ origin }) => origin), ids.map(({ seq }) => seq)],
  );
  const needs = rows.map((row) => ({ id: nameOf(row), place: placeName({ table: row.table_name, key: row.row_key }), row }));
  const here = await rowsHere(tx, env, tenant, new Set(needs.map(({ place }) => place)));
  // A key that is kept as its hash cannot be looked up: trying is the way to know.
  const missing = new Set(needs.filter(({ place, row }) => !here.has(place) && !row.row_key.startsWith("#")).map(({ id }) => id));
  return ids.filter((id) => !missing.has(nameOf(id)));
}
