import { readRows } from "../apply/row-store.ts";
import { keyVectors, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import { inTextForm } from "../digest/text-form.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { listLosses } from "../journal/list-losses.ts";
import type { WrittenValue } from "../journal/journal.ts";
import { changeOfRow, type ChangeRow } from "../log/commit-row.ts";
import type { Stamp } from "../merge/register.ts";
import { CHANGED_COLUMN, columnOf, KEY_SEPARATOR, rowKeys, rowValues } from "../merge/row-change.ts";
import { rowPlan, type RowPlan } from "../merge/row-plan.ts";
import { EMPTY_ROW, type RowState } from "../merge/row-state.ts";
import { readReceipts } from "../receipt/read-receipt.ts";
import type { Database, SqlSession } from "../store/database.ts";
import type { ExplainedCell, ExplainedCommit, ExplainedHeld, Explanation } from "./explanation.ts";

const COMMITS_MAX = 50;

export interface AskedCell {
  readonly tenant: string;
  readonly table: string;
  /** Primary key without the tenant, in text form. */
  readonly key: readonly string[];
  readonly column?: string | null;
}

/** Tells everything that a replica knows of a cell or a row. Throws `not-found` for an unknown table or column. */
export async function explainRow(session: SqlSession | Database, catalog: Catalog, asked: AskedCell): Promise<Explanation> {
  const table = catalog.byName.get(asked.table);
  const column = asked.column ?? null;
  if (table === undefined || !isReplicated(table)) throw new HayloftError("not-found", { what: "table", id: asked.table });
  const plan = rowPlan(table);
  if (column !== null && !plan.columns.includes(column)) throw new HayloftError("not-found", { what: "column", id: column });
  if (asked.key.length !== plan.keyColumns.length)
    throw new HayloftError("request-invalid", { part: "key", columns: plan.keyColumns.join(", ") });
  return await inTextForm(session, async (tx) => {
    const rowKey = asked.key.join(KEY_SEPARATOR);
    const { rows } = await tx.query<{ node: string; tier: string }>(`select node_id as node, tier from hayloft.replica`);
    const here = (await tx.query<TextRow>(selectByKeySql(plan, plan.columns, false), keyVectors(plan, asked.tenant, [rowKey])))
      .rows[0];
    const state = plan.merges
      ? ((await readRows(tx, plan, asked.tenant, [rowKey], false)).get(rowKey)?.state ?? EMPTY_ROW)
      : EMPTY_ROW;
    const { deleted } = state;
    const filter = { tenant: asked.tenant, table: asked.table, key: asked.key, withEqual: true };
    return {
      ...asked,
      column,
      node: rows[0]?.node ?? "",
      tier: rows[0]?.tier ?? "",
      exists: here !== undefined,
      deleted: deleted === null ? null : { at: timeOf(deleted.stamp), node: deleted.node },
      cells: here === undefined ? [] : await explainCells(tx, plan, asked.tenant, { here, state, column }),
      commits: await commitsOf(tx, plan, asked.tenant, rowKey, column),
      losses: (await listLosses(tx, column === null ? filter : { ...filter, column })).entries,
      held: await heldOf(tx, asked.tenant, asked.table, rowKey),
    };
  });
}

const timeOf = (stamp: bigint): Date => new Date(Number(stamp >> 16n));

async function explainCells(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  row: { readonly here: TextRow; readonly state: RowState; readonly column: string | null },
): Promise<readonly ExplainedCell[]> {
  const columns = row.column === null ? plan.cellColumns : [row.column];
  const registers = columns.map((column) => row.state.cells.get(column) ?? null);
  const writers = await writersOf(
    tx,
    tenant,
    registers.flatMap((register) => (register === null || register.stamp === 0n ? [] : [register])),
  );
  return columns.map((column, index) => {
    const register = registers[index] ?? null;
    const value = row.here[column] ?? null;
    const known = register === null || register.stamp === 0n ? null : register;
    const writer = known === null ? undefined : writers.get(`${String(known.stamp)} ${known.node}`);
    const current: WrittenValue = {
      value,
      writtenAt: known === null ? null : timeOf(known.stamp),
      node: known?.node ?? null,
      author: writer?.author ?? null,
      tier: writer?.tier ?? null,
      commit: writer === undefined ? null : { origin: writer.origin, seq: writer.seq },
    };
    return { column, rule: plan.keyColumns.includes(column) ? "key" : plan.ruleOf(column).kind, current };
  });
}

interface Writer {
  readonly stamp: string;
  readonly node: string;
  readonly origin: string;
  readonly seq: number;
  readonly tier: string;
  readonly author: string | null;
}

async function writersOf(tx: SqlSession, tenant: string, stamps: readonly Stamp[]): Promise<ReadonlyMap<string, Writer>> {
  if (stamps.length === 0) return new Map();
  const { rows } = await tx.query<Writer>(
    `select c.stamp::text as stamp, c.node_id as node, c.origin, c.seq, c.tier, c.author
    from unnest($2::bigint[], $3::uuid[]) as s (stamp, node)
    join hayloft.commit c on c.tenant_id = $1 and c.stamp = s.stamp and c.node_id = s.node`,
    [tenant, stamps.map(({ stamp }) => stamp), stamps.map(({ node }) => node)],
  );
  return new Map(rows.map((row) => [`${row.stamp} ${row.node}`, row]));
}

interface FoundChange extends ChangeRow {
  readonly origin: string;
  readonly seq: number;
  readonly stamp: string;
  readonly node_id: string;
  readonly tier: string;
  readonly author: string | null;
  readonly via: string | null;
}

/** The newest commits that wrote the row, or the column of it. */
async function commitsOf(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  rowKey: string,
  column: string | null,
): Promise<readonly ExplainedCommit[]> {
  const parts = rowKey.split(KEY_SEPARATOR).map((part) => JSON.stringify(part));
  const { rows } = await tx.query<FoundChange>(
    `select c.origin, c.seq, c.stamp::text as stamp, c.node_id, c.tier, c.author, c.via, ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body
    from hayloft.change ch join hayloft.commit c on c.tenant_id = ch.tenant_id and c.txn = ch.txn
    where ch.tenant_id = $1 and ch.table_name = $2 and not exists (select 1 from unnest($3::text[]) as p (part) where strpos(ch.body, p.part) = 0)
    order by c.position desc, ch.ordinal desc limit $4`,
    [tenant, plan.table.name, parts, 4 * COMMITS_MAX],
  );
  const found = rows.flatMap((row) => wrote(plan, row, rowKey, column)).slice(0, COMMITS_MAX);
  const receipts = await readReceipts(
    tx,
    found.map(({ row: { origin, seq } }) => ({ tenant, origin, seq })),
  );
  return found.flatMap(({ row, values }, index) => {
    const receipt = receipts[index];
    if (receipt === undefined) return [];
    const { origin, seq, tier, author, via, op } = row;
    return [{ origin, seq, tier, author, via, op, node: row.node_id, writtenAt: timeOf(BigInt(row.stamp)), values, receipt }];
  });
}

function wrote(
  plan: RowPlan,
  row: FoundChange,
  rowKey: string,
  column: string | null,
): readonly { readonly row: FoundChange; readonly values: ExplainedCommit["values"] }[] {
  const change = changeOfRow(row);
  return rowKeys(change, plan).flatMap((key, place) => {
    if (key !== rowKey) return [];
    const changed = columnOf(change, CHANGED_COLUMN)?.[place]?.split(",") ?? null;
    if (column !== null && changed !== null && !changed.includes(column)) return [];
    const shown = [...rowValues(change, place)].filter(([name]) =>
      column === null ? changed === null || changed.includes(name) : name === column,
    );
    return [{ row, values: Object.fromEntries(shown) }];
  });
}

async function heldOf(tx: SqlSession, tenant: string, table: string, rowKey: string): Promise<readonly ExplainedHeld[]> {
  const { rows } = await tx.query<Omit<ExplainedHeld, "heldAt"> & { held_at: Date }>(
    `select distinct q.origin, q.seq, q.state, q.code, q.held_at from hayloft.quarantine_place p
    join hayloft.quarantine q on q.tenant_id = p.tenant_id and q.origin = p.origin and q.seq = p.seq
    where p.tenant_id = $1 and p.table_name = $2 and p.row_key = $3 and p.use <> 'needs' order by q.held_at desc limit 20`,
    [tenant, table, rowKey],
  );
  return rows.map(({ held_at: heldAt, ...held }) => ({ ...held, heldAt }));
}
