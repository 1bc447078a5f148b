import type { Change } from "../commit/commit.ts";
import { restrictedScopes, withoutHidden } from "../log/filter-commit.ts";
import { STAMPS_COLUMN, withColumn } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { isPresent, writeRowState } from "../merge/row-state.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { keyParts, readRows } from "./row-store.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "./table-sql.ts";

/**
 * The rows as they are here, for an author whose change of them was refused or lost: an `insert` with the rows that exist
 * (with the stamps of merged tables in `$stamps`), and a `delete` for the others, with what is left of a row that was deleted: a later
 * write may bring it back, here and there to the same. A row outside of the grant does not exist.
 */
export async function readTruth(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  grant: Grant | null,
): Promise<readonly Change[]> {
  if (keys.length === 0) return [];
  const stored = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, false), keyVectors(plan, tenant, keys));
  const scopes = grant === null ? [] : restrictedScopes(plan, grant);
  const visible = stored.rows.filter((row) => scopes.every(({ column, ids }) => row[column] == null || ids.has(row[column])));
  const documents = plan.merges ? await readDocuments(tx, plan, tenant, keys, scopes) : null;
  const found = new Map(visible.map((row) => [rowKeyOf(plan, row), row]));
  const hidden = grant === null ? [] : (plan.table.hidden[grant.tier] ?? []);
  return [...presentRows(plan, found, documents, hidden), ...absentRows(plan, tenant, keys, found, documents, hidden)];
}

/** Stamps documents by key; of a deleted row with the values that it had when these are within the scopes, else its tombstone alone. */
async function readDocuments(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  scopes: readonly { readonly column: string; readonly ids: ReadonlySet<string> }[],
): Promise<ReadonlyMap<string, Documents>> {
  const rows = await readRows(tx, plan, tenant, keys, false);
  return new Map(
    [...rows].map(([key, { state }]) => {
      const whole = writeRowState(state, plan);
      const parts = new Map(plan.keyColumns.map((column, place) => [column, keyParts(key)[place]]));
      const isSeen = scopes.every(({ column, ids }) => {
        const cell = state.cells.get(column);
        const value = parts.get(column) ?? cell?.value;
        return value === null || (value !== undefined && ids.has(value));
      });
      const isDead = state.deleted !== null && !isPresent(state, plan);
      return [key, { whole, absent: isSeen && isDead ? whole : onlyTombstone(whole) }];
    }),
  );
}

/** What the author is told of a row that he may see, and of one that is not there for him. */
interface Documents {
  readonly whole: string;
  readonly absent: string;
}

function presentRows(
  plan: RowPlan,
  found: ReadonlyMap<string, TextRow>,
  documents: ReadonlyMap<string, Documents> | null,
  hidden: readonly string[],
): readonly Change[] {
  if (found.size === 0) return [];
  const rows = [...found.values()];
  const values = plan.columns.map((column) => rows.map((row) => row[column] ?? null));
  const change: Change = { table: plan.table.name, op: "insert", columns: plan.columns, values, rowCount: rows.length };
  if (documents === null) return [withoutHidden(change, hidden)];
  const stamps = [...found.keys()].map((key) => documents.get(key)?.whole ?? "{}");
  return [withoutHidden(withColumn(change, STAMPS_COLUMN, stamps), hidden)];
}

function absentRows(
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  found: ReadonlyMap<string, TextRow>,
  documents: ReadonlyMap<string, Documents> | null,
  hidden: readonly string[],
): readonly Change[] {
  const missing = keys.filter((key) => !found.has(key));
  if (missing.length === 0) return [];
  const values = keyVectors(plan, tenant, missing);
  const change: Change = {
    table: plan.table.name,
    op: "delete",
    columns: plan.table.primaryKey,
    values,
    rowCount: missing.length,
  };
  if (documents === null) return [change];
  // The values of a row that is not the author's to see stay here.
  const stamps = missing.map((key) => documents.get(key)?.absent ?? "{}");
  return [withoutHidden(withColumn(change, STAMPS_COLUMN, stamps), hidden)];
}

function onlyTombstone(document: string): string {
  const { $deleted, $gone } = JSON.parse(document) as Readonly<Record<string, unknown>>;
  return JSON.stringify({ ...($deleted !== undefined && { $deleted }), ...($gone !== undefined && { $gone }) });
}
