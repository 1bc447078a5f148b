import { afterKeySql } from "../snapshot/page-query.ts";
import { keyArraysSql, keyVectors, rowKeySql, sqlTypeOf } from "../apply/table-sql.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { visibleSql } from "../scope/visible-sql.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";
import { DIGEST_BYTES, type KeptRows, type KeyRange, type RangeDigest } from "./comparison.ts";
import { columnsTextSql } from "./row-text.ts";

/** Whose rows are looked at: those of a tenant that a child's grant and retention cover. */
export interface ComparedRows {
  readonly plans: ReadonlyMap<string, RowPlan>;
  readonly plan: RowPlan;
  readonly tenant: string;
  readonly grant: Grant;
  readonly kept: KeptRows;
}

/** The columns that a tier sees, in the order in which they are digested. */
function shownColumns(plan: RowPlan, tier: string): readonly string[] {
  const hidden = new Set(plan.table.hidden[tier] ?? []);
  return plan.columns.filter((column) => !hidden.has(column)).toSorted();
}

/** The md5 of a row: of the canonical text of its values, columns by name. 32 hexadecimal digits. */
const rowMd5Sql = ({ plan, grant }: Pick<ComparedRows, "plan" | "grant">, alias: string): string =>
  `md5(${columnsTextSql(shownColumns(plan, grant.tier), plan.table.columns, alias)})`;

function keptSql({ plan, kept, grant }: ComparedRows, alias: string, parameters: SqlParameter[]): string {
  const retention = plan.table.retain[grant.tier];
  if (kept === null || retention === undefined || retention.kind === "forever") return "";
  const name = `${alias}.${sqlName(retention.column)}`;
  if ("from" in kept) {
    parameters.push(kept.from);
    return ` and ${name} >= $${String(parameters.length)}::${sqlTypeOf(plan, retention.column)}`;
  }
  parameters.push([...kept.values]);
  return ` and ${name}::text = any($${String(parameters.length)}::text[])`;
}

function upToKeySql(plan: RowPlan, alias: string, to: readonly string[] | null, parameters: SqlParameter[]): string {
  if (to === null || plan.keyColumns.length === 0) return "";
  const left = plan.keyColumns.map((column) => `${alias}.${sqlName(column)}`).join(", ");
  const right = plan.keyColumns.map((column, index) => {
    parameters.push(to[index] ?? "");
    return `$${String(parameters.length)}::${sqlTypeOf(plan, column)}`;
  });
  return ` and (${left}) <= (${right.join(", ")})`;
}

/**
 * What the bounds of a range say of single columns of the key: the first ones while they are the same in both, and the next. It leaves no row out. Of
 * comparisons of whole keys the planner takes each for itself: of a range in the middle of a table it expects a quarter of all rows, and
 * reads a large table from end to end for it. Two bounds of one column it takes together.
 */
function betweenSql(plan: RowPlan, alias: string, { after, to }: KeyRange, parameters: SqlParameter[]): string {
  if (after === null || to === null) return "";
  const parts = plan.keyColumns.map((column, place) => ({ column, from: after[place] ?? "", upTo: to[place] ?? "" }));
  const parting = parts.findIndex(({ from, upTo }) => from !== upTo);
  const said = parting === -1 ? parts : parts.slice(0, parting + 1);
  return said
    .flatMap(({ column, from, upTo }) =>
      from === upTo
        ? [{ column, is: "=", value: from }]
        : [
            { column, is: ">=", value: from },
            { column, is: "<=", value: upTo },
          ],
    )
    .map(({ column, is, value }) => {
      parameters.push(value);
      return ` and ${alias}.${sqlName(column)} ${is} $${String(parameters.length)}::${sqlTypeOf(plan, column)}`;
    })
    .join("");
}

/** `from … where …` over the rows of a range, with the table as `t`; the tenant is parameter 1. */
function rangeSql(rows: ComparedRows, range: KeyRange, parameters: SqlParameter[]): string {
  const { plans, plan, grant } = rows;
  const bounds = afterKeySql(plan, "t", range.after, parameters) + upToKeySql(plan, "t", range.to, parameters);
  const keys = bounds + betweenSql(plan, "t", range, parameters);
  const shown = visibleSql(plans, plan, "t", grant, parameters) + keptSql(rows, "t", parameters);
  return `from ${sqlName(plan.table.name)} as t where t.${sqlName(plan.tenantColumn)} = $1${keys}${shown}`;
}

/**
 * From here on in this transaction rows come in the order of their key by its index, and not by a sort. Nothing analyses the tables of an
 * edge: where the planner knows nothing of a table it expects a few rows behind a key, and would read and sort all that are left for every range.
 */
export async function walkByKey(tx: SqlSession): Promise<void> {
  await tx.query("select set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true)");
}

/** Counts and digests the rows of a range. Values must have their canonical text form. */
export async function digestRange(session: SqlSession, rows: ComparedRows, range: KeyRange): Promise<RangeDigest> {
  const parameters: SqlParameter[] = [rows.tenant];
  const from = rangeSql(rows, range, parameters);
  const md5 = rowMd5Sql(rows, "t");
  const found = await session.query<{ rows: number; digest: string | null }>(
    `select count(*) as rows, bit_xor(('x' || ${md5})::bit(128))::text as digest ${from}`,
    parameters,
  );
  const [row] = found.rows;
  return { ...range, rows: row?.rows ?? 0, digest: bytesOfBits(row?.digest ?? null) };
}

/** The first so many rows of a range, with their count and digest, from one look at them. Where that is not all of them the range ends with the last of these. */
export async function digestFirst(
  session: SqlSession,
  rows: ComparedRows,
  range: KeyRange,
  rowsMax: number,
): Promise<RangeDigest> {
  const { plan } = rows;
  if (plan.keyColumns.length === 0) return await digestRange(session, rows, range);
  const parameters: SqlParameter[] = [rows.tenant];
  const from = rangeSql(rows, range, parameters);
  const columns = plan.keyColumns.map((column) => `t.${sqlName(column)}`);
  const keys = columns.map((column, place) => `${column} as key_${String(place)}`);
  // The rows come in the order of the inner statement.
  const last = columns.map((_, place) => `(array_agg(p.key_${String(place)}))[${String(rowsMax)}]::text`);
  const found = await session.query<{ rows: number; digest: string | null; last: readonly (string | null)[] }>(
    `select count(*) as rows, bit_xor(('x' || p.md5)::bit(128))::text as digest, array[${last.join(", ")}] as last
    from (select ${rowMd5Sql(rows, "t")} as md5, ${keys.join(", ")} ${from} order by ${columns.join(", ")} limit ${String(rowsMax)}) as p`,
    parameters,
  );
  const [row] = found.rows;
  const end = (row?.last ?? []).flatMap((part) => (part === null ? [] : [part]));
  const to = end.length === columns.length ? end : range.to;
  return { after: range.after, to, rows: row?.rows ?? 0, digest: bytesOfBits(row?.digest ?? null) };
}

/** A range cut into parts of so many rows, each with its digest; together they cover all of it. */
export async function digestParts(
  session: SqlSession,
  rows: ComparedRows,
  range: KeyRange,
  rowsMax: number,
): Promise<readonly RangeDigest[]> {
  const { plan } = rows;
  if (plan.keyColumns.length === 0) return [await digestRange(session, rows, range)];
  const parameters: SqlParameter[] = [rows.tenant];
  const from = rangeSql(rows, range, parameters);
  const columns = plan.keyColumns.map((column) => `t.${sqlName(column)}`);
  const keys = columns.map((column, place) => `${column} as key_${String(place)}`).join(", ");
  // Of the last part of all, which ends with the range, none is looked for.
  const last = columns
    .map((_, place) => `max(case when p.n % ${String(rowsMax)} = 0 then p.key_${String(place)}::text end)`)
    .join(", ");
  const found = await session.query<{ rows: number; digest: string; last: readonly (string | null)[] }>(
    `select count(*) as rows, bit_xor(('x' || p.md5)::bit(128))::text as digest, array[${last}] as last
    from (select ${keys}, ${rowMd5Sql(rows, "t")} as md5,
      row_number() over (order by ${columns.join(", ")}) as n ${from}) as p
    group by (p.n - 1) / ${String(rowsMax)} order by (p.n - 1) / ${String(rowsMax)}`,
    parameters,
  );
  const parts: RangeDigest[] = [];
  for (const { rows: count, digest, last: key } of found.rows)
    parts.push({
      after: parts.at(-1)?.to ?? range.after,
      to: key.map((part) => part ?? ""),
      rows: count,
      digest: bytesOfBits(digest),
    });
  const end = parts.pop() ?? { rows: 0, digest: bytesOfBits(null) };
  return [...parts, { ...end, after: parts.at(-1)?.to ?? range.after, to: range.to }];
}

/** The digests of rows of a range by row key, in key order: all but those named. */
export async function rowDigests(
  session: SqlSession,
  rows: ComparedRows,
  range: KeyRange,
  { without, limit }: { readonly without: readonly string[]; readonly limit: number },
): Promise<ReadonlyMap<string, string>> {
  const { plan } = rows;
  const parameters: SqlParameter[] = [rows.tenant];
  const from = rangeSql(rows, range, parameters);
  const key = rowKeySql(plan, "t");
  if (without.length > 0) parameters.push([...without]);
  const others = without.length === 0 ? "" : ` and ${key} <> all($${String(parameters.length)}::text[])`;
  const order = plan.keyColumns.map((column) => `t.${sqlName(column)}`).join(", ");
  const found = await session.query<DigestedRow>(
    `select ${key} as row_key, ${rowMd5Sql(rows, "t")} as digest ${from}${others}${order === "" ? "" : ` order by ${order}`} limit ${String(limit)}`,
    parameters,
  );
  return new Map(found.rows.map((row) => [row.row_key, row.digest]));
}

interface DigestedRow {
  readonly row_key: string;
  readonly digest: string;
}

/** The digests of the rows with the given keys that the grant covers, whatever retention says. */
export async function digestsByKey(
  session: SqlSession,
  { plans, plan, tenant, grant }: ComparedRows,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (keys.length === 0) return new Map();
  const parameters: SqlParameter[] = [...keyVectors(plan, tenant, keys)];
  const shown = visibleSql(plans, plan, "t", grant, parameters);
  const found = await session.query<DigestedRow>(
    `select ${rowKeySql(plan, "t")} as row_key, ${rowMd5Sql({ plan, grant }, "t")} as digest
    from ${sqlName(plan.table.name)} as t join ${keyArraysSql(plan, "t").join} where true${shown}`,
    parameters,
  );
  return new Map(found.rows.map((row) => [row.row_key, row.digest]));
}

/** What of a table the child keeps now, by the column of its retention; see `KeptRows`. `fromMs`: not older, where it goes by age. */
export async function keptRows(
  session: SqlSession,
  { plan, tenant, grant }: Pick<ComparedRows, "plan" | "tenant" | "grant">,
  fromMs: number,
): Promise<KeptRows> {
  const retention = plan.table.retain[grant.tier];
  if (retention === undefined || retention.kind === "forever") return null;
  const name = sqlName(retention.column);
  const from = `from ${sqlName(plan.table.name)} where ${sqlName(plan.tenantColumn)} = $1`;
  if (retention.kind === "days") {
    const { rows } = await session.query<{ from: string }>(
      `select greatest(min(${name}), $2::timestamptz::${sqlTypeOf(plan, retention.column)})::text as from ${from}`,
      [tenant, new Date(fromMs)],
    );
    return { from: rows[0]?.from ?? "" };
  }
  const { rows } = await session.query<{ value: string }>(
    `select distinct ${name}::text as value ${from} and ${name} is not null order by 1 limit 1000`,
    [tenant],
  );
  return { values: rows.map(({ value }) => value) };
}

function bytesOfBits(bits: string | null): Uint8Array {
  const bytes = new Uint8Array(DIGEST_BYTES);
  if (bits === null) return bytes;
  for (let index = 0; index < DIGEST_BYTES; index += 1) bytes[index] = Number.parseInt(bits.slice(index * 8, index * 8 + 8), 2);
  return bytes;
}

export const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const bytesOfHex = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, index) => Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16));

export const sameDigest = (left: RangeDigest, right: RangeDigest): boolean =>
  left.rows === right.rows && left.digest.every((byte, index) => byte === right.digest[index]);

/** The digest of several ranges together. */
export function joinDigests(digests: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(DIGEST_BYTES);
  for (const digest of digests) digest.forEach((byte, index) => (joined[index] = (joined[index] ?? 0) ^ byte));
  return joined;
}
