import type { Change } from "../commit/commit.ts";
import { restrictedScopes, withoutHidden } from "../log/filter-commit.ts";
import { STAMPS_COLUMN } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { writeRowState } from "../merge/row-state.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { readRows } from "./row-store.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "./table-sql.ts";

/**
 * The rows as they are here, for an author whose change of them was refused or lost: an `insert` with the rows that exist
 * (with the stamps of merged tables in `$stamps`), and a `delete` for the others. A row outside of the grant does not exist.
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
  const documents = plan.merges ? await readDocuments(tx, plan, tenant, keys) : null;
  const found = new Map(visible.map((row) => [rowKeyOf(plan, row), row]));
  const hidden = grant === null ? [] : (plan.table.hidden[grant.tier] ?? []);
  return [...presentRows(plan, found, documents, hidden), ...absentRows(plan, tenant, keys, found, documents)];
}

async function readDocuments(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await readRows(tx, plan, tenant, keys, false);
  return new Map([...rows].map(([key, row]) => [key, writeRowState(row.state, plan)]));
}

function presentRows(
  plan: RowPlan,
  found: ReadonlyMap<string, TextRow>,
  documents: ReadonlyMap<string, string> | null,
  hidden: readonly string[],
): readonly Change[] {
  if (found.size === 0) return [];
  const rows = [...found.values()];
  const values = plan.columns.map((column) => rows.map((row) => row[column] ?? null));
  const shown = withoutHidden(
    { table: plan.table.name, op: "insert", columns: plan.columns, values, rowCount: rows.length },
    hidden,
  );
  if (documents === null) return [shown];
  const stamps = [...found.keys()].map((key) => documents.get(key) ?? "{}");
  return [{ ...shown, columns: [...shown.columns, STAMPS_COLUMN], values: [...shown.values, stamps] }];
}

function absentRows(
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  found: ReadonlyMap<string, TextRow>,
  documents: ReadonlyMap<string, string> | null,
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
  // The values of a row that was deleted here, or is not the author's to see, stay here.
  const stamps = missing.map((key) => onlyTombstone(documents.get(key)));
  return [{ ...change, columns: [...change.columns, STAMPS_COLUMN], values: [...values, stamps] }];
}

function onlyTombstone(document: string | undefined): string {
  const { $deleted, $gone } = (document === undefined ? {} : JSON.parse(document)) as Readonly<Record<string, unknown>>;
  return JSON.stringify({ ...($deleted !== undefined && { $deleted }), ...($gone !== undefined && { $gone }) });
}
