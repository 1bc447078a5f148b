import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { keyParts, readRows, type StoredRow, writeRows } from "../apply/row-store.ts";
import { deleteSql, insertSql, keyVectors, type TextRow, upsertClause } from "../apply/table-sql.ts";
import { projectChange, refusalOfFailure } from "../apply/write-commits.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { raiseStamp } from "../log/keep-foreign.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { latestStamp, readRowState, type RowState } from "../merge/row-state.ts";
import type { SqlSession } from "../store/database.ts";
import { noteRepairs, type RepairedValue } from "./note-repairs.ts";
import type { RowClaim } from "./row-claim.ts";

export interface Healed {
  /** Keys of the rows that were set right. */
  readonly keys: readonly string[];
  /** Keys of rows that could not be written, for example because a row that they refer to is not here. */
  readonly failed: readonly string[];
}

/** True when the row here does not show what stands. */
export function needsHealing(here: TextRow | undefined, stands: RowClaim): boolean {
  if (here === undefined || stands.cells === null) return (here === undefined) !== (stands.cells === null);
  return [...stands.cells].some(([column, value]) => (here[column] ?? null) !== value);
}

/**
 * Writes rows as they stand, all at once or, when the database refuses that, one by one. What was here goes into the journal, in
 * the same transaction. Nothing of it is captured: the other side has it so already.
 */
export async function healRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tenant: string,
  rows: { readonly here: ReadonlyMap<string, TextRow>; readonly stands: ReadonlyMap<string, RowClaim> },
): Promise<Healed> {
  const due = [...rows.stands].filter(([key, stands]) => needsHealing(rows.here.get(key), stands));
  if (due.length === 0) return { keys: [], failed: [] };
  const all = await attempt(tx, env, plan, tenant, { here: rows.here, due });
  if (all) return { keys: due.map(([key]) => key), failed: [] };
  const healed: { keys: string[]; failed: string[] } = { keys: [], failed: [] };
  for (const one of due) {
    const done = await attempt(tx, env, plan, tenant, { here: rows.here, due: [one] });
    (done ? healed.keys : healed.failed).push(one[0]);
  }
  return healed;
}

interface DueRows {
  readonly here: ReadonlyMap<string, TextRow>;
  readonly due: readonly (readonly [string, RowClaim])[];
}

/** False, with nothing done, when a constraint or a projection does not take it. */
async function attempt(tx: SqlSession, env: ReplicaEnvironment, plan: RowPlan, tenant: string, rows: DueRows): Promise<boolean> {
  await tx.script("savepoint hayloft_repair");
  try {
    if (plan.merges) await writeMerged(tx, plan, tenant, rows);
    else await writePlain(tx, plan, tenant, rows);
    if (env.linked.has(plan.table.name)) await tx.script("set constraints all immediate; set constraints all deferred");
    for (const change of writtenChanges(plan, tenant, rows)) await projectChange(tx, env, change);
    await noteRepairs(tx, env, tenant, repairedValues(plan, rows));
    await tx.script("release savepoint hayloft_repair");
    return true;
  } catch (error) {
    if (refusalOfFailure(error) === null) throw error;
    await tx.script("rollback to savepoint hayloft_repair; release savepoint hayloft_repair");
    return false;
  }
}

async function writePlain(tx: SqlSession, plan: RowPlan, tenant: string, { due }: DueRows): Promise<void> {
  const gone = due.flatMap(([key, { cells }]) => (cells === null ? [key] : []));
  if (gone.length > 0) await tx.query(deleteSql(plan), keyVectors(plan, tenant, gone));
  for (const { columns, keys, vectors } of byColumns(plan, due)) {
    const names = [...plan.table.primaryKey, ...columns];
    await tx.query(insertSql(plan, names, upsertClause(plan, names)), [...keyVectors(plan, tenant, keys), ...vectors]);
  }
}

async function writeMerged(tx: SqlSession, plan: RowPlan, tenant: string, { here, due }: DueRows): Promise<void> {
  const stored = await readRows(
    tx,
    plan,
    tenant,
    due.map(([key]) => key),
    true,
  );
  const before = new Map<string, StoredRow>();
  const after = new Map<string, RowState>();
  let latest = 0n;
  for (const [key, { cells, stamps }] of due) {
    const old = stored.get(key);
    if (old === undefined) continue;
    const row = here.get(key);
    // What the table holds counts here, not what the stamps' document says that it should.
    const raw = new Map([...old.state.cells].map(([column, cell]) => [column, { ...cell, value: row?.[column] ?? null }]));
    before.set(key, { ...old, exists: row !== undefined, state: { ...old.state, cells: raw } });
    const state = readRowState(cells, stamps, plan);
    after.set(key, state);
    const stamp = latestStamp(state);
    if (stamp > latest) latest = stamp;
  }
  if (!(await writeRows(tx, plan, tenant, before, after)))
    throw new HayloftError("sql-failed", { sqlstate: "40001", table: plan.table.name });
  await raiseStamp(tx, tenant, latest);
}

function byColumns(
  plan: RowPlan,
  due: DueRows["due"],
): readonly { readonly columns: readonly string[]; readonly keys: readonly string[]; readonly vectors: readonly CellText[][] }[] {
  const groups = new Map<string, { columns: readonly string[]; keys: string[]; vectors: CellText[][] }>();
  for (const [key, { cells }] of due) {
    if (cells === null) continue;
    const columns = plan.cellColumns.filter((column) => cells.has(column));
    const name = columns.join(",");
    const group = groups.get(name) ?? { columns, keys: [], vectors: columns.map(() => []) };
    groups.set(name, group);
    group.keys.push(key);
    columns.forEach((column, place) => group.vectors[place]?.push(cells.get(column) ?? null));
  }
  return [...groups.values()];
}

/** What was written, for projections. */
function writtenChanges(plan: RowPlan, tenant: string, { here, due }: DueRows): readonly Change[] {
  const key = plan.table.primaryKey;
  const gone = due.flatMap(([name, { cells }]) => (cells === null ? [name] : []));
  const changes: Change[] = [];
  if (gone.length > 0)
    changes.push({
      table: plan.table.name,
      op: "delete",
      columns: key,
      values: keyVectors(plan, tenant, gone),
      rowCount: gone.length,
    });
  for (const isNew of [true, false]) {
    const rows = due.filter(([name, { cells }]) => cells !== null && (here.get(name) === undefined) === isNew);
    for (const { columns, keys, vectors } of byColumns(plan, rows)) {
      const values = [...keyVectors(plan, tenant, keys), ...vectors];
      changes.push({
        table: plan.table.name,
        op: isNew ? "insert" : "update",
        columns: [...key, ...columns],
        values,
        rowCount: keys.length,
      });
    }
  }
  return changes;
}

/** The values that were replaced: of a row that goes all of them at once, of a row that comes back that it was not there. */
function repairedValues(plan: RowPlan, { here, due }: DueRows): readonly RepairedValue[] {
  return due.flatMap(([key, { cells, stamps }]): readonly RepairedValue[] => {
    const row = here.get(key);
    const base = { table: plan.table.name, key: keyParts(key) };
    if (row === undefined) return [{ ...base, column: "$deleted", lost: null, stands: null, written: null }];
    if (cells === null) {
      const lost = JSON.stringify(Object.fromEntries(plan.cellColumns.map((column) => [column, row[column] ?? null])));
      return [{ ...base, column: "$row", lost, stands: null, written: null }];
    }
    const state = plan.merges ? readRowState(cells, stamps, plan) : null;
    return [...cells].flatMap(([column, stands]) => {
      const lost = row[column] ?? null;
      return lost === stands ? [] : [{ ...base, column, lost, stands, written: state?.cells.get(column) ?? null }];
    });
  });
}
