import type { CellText } from "../commit/commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import { hasEqualStamps, isPresent, readRowState, writeRowState, EMPTY_ROW, type RowState } from "../merge/row-state.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { deleteSql, insertSql, keyVectors, rowKeyOf, selectByKeySql, updateSql, type TextRow } from "./table-sql.ts";

/** A row with its stamps as the database has them. */
export interface StoredRow {
  readonly state: RowState;
  /** True when the table holds the row. */
  readonly exists: boolean;
  /** The document as stored, to see whether it changes. */
  readonly document: string | null;
}

const NO_ROW: StoredRow = { state: EMPTY_ROW, exists: false, document: null };

/**
 * Reads rows of a stamped table with their stamps. With `lock` the rows are locked first and the stamps read after, so
 * that a local writer of the same rows is either wholly seen or waits.
 */
export async function readRows(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  lock: boolean,
): Promise<ReadonlyMap<string, StoredRow>> {
  for (const rule of plan.memory.values()) await rule.prepare?.();
  const rows = new Map<string, StoredRow>(keys.map((key) => [key, NO_ROW]));
  const stored = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, lock), keyVectors(plan, tenant, keys));
  const stamps = await tx.query<{ row_key: string; stamps: string }>(
    `select row_key, stamps::text as stamps from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = any($3::text[])`,
    [tenant, plan.table.name, keys],
  );
  const documents = new Map(stamps.rows.map((row) => [row.row_key, row.stamps]));
  for (const [key, document] of documents) {
    rows.set(key, { state: readRowState(null, document, plan), exists: false, document });
  }
  for (const row of stored.rows) {
    const key = rowKeyOf(plan, row);
    const document = documents.get(key) ?? null;
    rows.set(key, { state: readRowState(new Map(Object.entries(row)), document, plan), exists: true, document });
  }
  return rows;
}

/** The columns whose values are not as the table has them. */
const changedCells = (plan: RowPlan, old: RowState, state: RowState): readonly string[] =>
  plan.cellColumns.filter((column) => {
    const register = state.cells.get(column);
    return register !== undefined && register.value !== old.cells.get(column)?.value;
  });

interface Writes {
  readonly inserts: Map<string, { readonly columns: readonly string[]; readonly keys: string[]; readonly vectors: CellText[][] }>;
  readonly updates: Map<string, { readonly columns: readonly string[]; readonly keys: string[]; readonly vectors: CellText[][] }>;
  readonly deletes: string[];
}

function collect(target: Writes["inserts"], key: string, state: RowState, columns: readonly string[]): void {
  const name = columns.join(",");
  const group = target.get(name) ?? { columns, keys: [], vectors: columns.map(() => []) };
  target.set(name, group);
  group.keys.push(key);
  columns.forEach((column, index) => group.vectors[index]?.push(state.cells.get(column)?.value ?? null));
}

function plannedWrites(plan: RowPlan, before: ReadonlyMap<string, StoredRow>, after: ReadonlyMap<string, RowState>): Writes {
  const writes: Writes = { inserts: new Map(), updates: new Map(), deletes: [] };
  for (const [key, state] of after) {
    const old = before.get(key) ?? NO_ROW;
    if (!isPresent(state, plan)) {
      if (old.exists) writes.deletes.push(key);
    } else if (old.exists) {
      const columns = changedCells(plan, old.state, state);
      if (columns.length > 0) collect(writes.updates, key, state, columns);
    } else {
      const columns = plan.cellColumns.filter((column) => state.cells.has(column));
      collect(writes.inserts, key, state, columns);
    }
  }
  return writes;
}

/**
 * Writes merged rows and their stamps. Returns false, with nothing to rely on, when a row that was absent has meanwhile
 * been inserted by somebody else: read, merge and write again.
 */
export async function writeRows(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  before: ReadonlyMap<string, StoredRow>,
  after: ReadonlyMap<string, RowState>,
): Promise<boolean> {
  const { inserts, updates, deletes } = plannedWrites(plan, before, after);
  const key = plan.table.primaryKey;
  if (deletes.length > 0) await tx.query(deleteSql(plan), keyVectors(plan, tenant, deletes));
  for (const { columns, keys, vectors } of inserts.values()) {
    const clause = `(${key.map((column) => `"${column}"`).join(", ")}) do nothing`;
    const { affected } = await tx.query(insertSql(plan, [...key, ...columns], clause), [
      ...keyVectors(plan, tenant, keys),
      ...vectors,
    ]);
    if (affected < keys.length) return false;
  }
  for (const { columns, keys, vectors } of updates.values()) {
    await tx.query(updateSql(plan, [...key, ...columns]), [...keyVectors(plan, tenant, keys), ...vectors]);
  }
  await writeDocuments(tx, plan, tenant, before, after);
  return true;
}

async function writeDocuments(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  before: ReadonlyMap<string, StoredRow>,
  after: ReadonlyMap<string, RowState>,
): Promise<void> {
  const keys: string[] = [];
  const documents: string[] = [];
  const forgotten: string[] = [];
  for (const [key, state] of after) {
    const old = before.get(key) ?? NO_ROW;
    if (state.cells.size === 0 && state.deleted === null) {
      if (old.document !== null) forgotten.push(key);
      continue;
    }
    if (old.document !== null && hasEqualStamps(old.state, state) && isPresent(state, plan) === old.exists) continue;
    keys.push(key);
    documents.push(writeRowState(state, plan));
  }
  if (forgotten.length > 0) {
    await tx.query(`delete from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = any($3::text[])`, [
      tenant,
      plan.table.name,
      forgotten,
    ]);
  }
  if (keys.length === 0) return;
  await tx.query(
    `insert into hayloft.row_state (tenant_id, table_name, row_key, stamps)
    select $1, $2, incoming.row_key, incoming.stamps from unnest($3::text[], $4::jsonb[]) as incoming (row_key, stamps)
    on conflict (tenant_id, table_name, row_key) do update set stamps = excluded.stamps`,
    [tenant, plan.table.name, keys, documents],
  );
}

/** The parts of a row key. */
export const keyParts = (key: string): readonly string[] => key.split(KEY_SEPARATOR);
