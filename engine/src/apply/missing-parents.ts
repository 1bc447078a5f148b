import type { ParentDeleted, Reference } from "../catalog/table.ts";
import { commitHash, firstPreviousHash } from "../commit/commit-hash.ts";
import type { CellText, Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { newId } from "../identity/new-id.ts";
import { CHANGED_COLUMN, columnOf, KEY_SEPARATOR } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { mayWrite } from "../merge/single-writer.ts";
import { footprintOf, placeName, placeOf } from "../quarantine/dependence.ts";
import { rowsHere } from "../quarantine/rows-here.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";
import { readTombstones } from "./tombstones.ts";

/** How a commit goes on whose rows refer to rows that are not here. `code` null: write `companions` and `commit`. */
export interface MissingParents {
  readonly code: ErrorCode | null;
  readonly commit: Commit;
  readonly companions: readonly Commit[];
}

interface Orphan {
  readonly change: Change;
  readonly row: number;
  readonly reference: Reference;
  readonly parent: string;
}

/**
 * Decides what a commit becomes that the foreign keys refuse. While a parent row was never here, the commit waits. When it was
 * deleted, the reference says: refuse, bring the parent back, or take the reference off; the last two are commits of this node,
 * and only where its tier may make them. When every parent is here, something that it deletes is still referred to.
 */
export async function answerMissingParents(tx: SqlSession, env: ReplicaEnvironment, commit: Commit): Promise<MissingParents> {
  const answer = (code: ErrorCode | null): MissingParents => ({ code, commit, companions: [] });
  const { needs } = footprintOf(commit, env.plans);
  const here = await rowsHere(tx, env, commit.tenant, needs);
  const missing = new Set([...needs].filter((name) => !here.has(name)));
  if (missing.size === 0) {
    return answer(commit.changes.some(({ op }) => op === "delete" || op === "evict") ? "refused-children" : "refused-parent");
  }
  const tombstones = await readTombstones(tx, env, commit.tenant, missing);
  if ([...missing].some((name) => !tombstones.has(name))) return answer("refused-parent");
  const orphans = orphansOf(env, commit, missing);
  const can = orphans.every(({ change, reference }) => mayAnswer(env, change.table, reference));
  if (!can) return answer("refused-parent-deleted");
  const companions = await revived(tx, env, commit, orphans, tombstones);
  const detached = orphans.filter(({ reference }) => reference.onParentDeleted === "detach");
  if (detached.length === 0) return { code: null, commit, companions };
  const taken = { ...commit, changes: commit.changes.map((change) => withoutReferences(change, detached)) };
  const note = await companion(tx, env, commit, detachments(env, taken.changes, commit.changes, detached));
  return { code: null, commit: taken, companions: [...companions, note] };
}

function orphansOf(env: ReplicaEnvironment, commit: Commit, missing: ReadonlySet<string>): readonly Orphan[] {
  return commit.changes.flatMap((change) =>
    change.op !== "insert" && change.op !== "update"
      ? []
      : (env.plans.get(change.table)?.table.references ?? []).flatMap((reference) =>
          Array.from({ length: change.rowCount }, (_, row) => row).flatMap((row): readonly Orphan[] => {
            const parent = parentOf(env, change, row, reference);
            return parent !== null && missing.has(parent) ? [{ change, row, reference, parent }] : [];
          }),
        ),
  );
}

function parentOf(env: ReplicaEnvironment, change: Change, row: number, reference: Reference): string | null {
  const target = env.plans.get(reference.table);
  if (target === undefined) return null;
  const values = target.keyColumns.map(
    (name) => columnOf(change, reference.columns[target.table.primaryKey.indexOf(name)] ?? "")?.[row] ?? null,
  );
  return values.includes(null) ? null : placeName({ table: reference.table, key: values.join(KEY_SEPARATOR) });
}

/** Bringing a row back and taking a reference off are writes of this tier, so it must have the right to them. */
function mayAnswer(env: ReplicaEnvironment, child: string, reference: Reference): boolean {
  const answer: ParentDeleted = reference.onParentDeleted ?? "reject";
  if (answer === "reject") return false;
  const plan = env.plans.get(answer === "revive" ? reference.table : child);
  if (plan === undefined || !plan.table.writers.includes(env.tier)) return false;
  if (answer === "revive") return mayWrite(plan.table.rule, env.tier);
  return reference.columns.every(
    (name) => name === plan.tenantColumn || mayWrite(plan.table.rule.columns[name] ?? plan.table.rule, env.tier),
  );
}

/** A commit of this node that comes with another one, under an origin of its own. */
async function companion(tx: SqlSession, env: ReplicaEnvironment, beside: Commit, changes: readonly Change[]): Promise<Commit> {
  const { rows } = await tx.query<{ stamp: string }>(
    `with head as (select * from hayloft.lock_head($1))
    update hayloft.head h set stamp = hayloft.next_stamp(greatest(h.stamp, $2::bigint)) from head where h.tenant_id = head.tenant_id
    returning h.stamp::text as stamp`,
    [beside.tenant, beside.stamp],
  );
  const commit: Commit = {
    tenant: beside.tenant,
    origin: newId(),
    seq: 1,
    stamp: BigInt(rows[0]?.stamp ?? "0"),
    node: env.nodeId,
    tier: env.tier,
    author: null,
    catalogVersion: env.catalog.version,
    previousHash: firstPreviousHash(),
    hash: firstPreviousHash(),
    changes,
  };
  return { ...commit, hash: commitHash(commit, env.sha256) };
}

async function revived(
  tx: SqlSession,
  env: ReplicaEnvironment,
  commit: Commit,
  orphans: readonly Orphan[],
  tombstones: ReadonlyMap<string, ReadonlyMap<string, CellText>>,
): Promise<readonly Commit[]> {
  const parents = new Set(orphans.filter(({ reference }) => reference.onParentDeleted === "revive").map(({ parent }) => parent));
  const changes = [...parents].flatMap((name): readonly Change[] => {
    const { table, key } = placeOf(name);
    const plan = env.plans.get(table);
    const cells = tombstones.get(name);
    return plan === undefined || cells === undefined ? [] : [insertOf(plan, commit.tenant, key, cells)];
  });
  return changes.length === 0 ? [] : [await companion(tx, env, commit, changes)];
}

function insertOf(plan: RowPlan, tenant: string, key: string, cells: ReadonlyMap<string, CellText>): Change {
  const parts = key.split(KEY_SEPARATOR);
  const valueOf = (column: string): CellText =>
    column === plan.tenantColumn ? tenant : (cells.get(column) ?? parts[plan.keyColumns.indexOf(column)] ?? null);
  const columns = plan.columns.filter((column) => plan.table.primaryKey.includes(column) || cells.has(column));
  return { table: plan.table.name, op: "insert", columns, values: columns.map((column) => [valueOf(column)]), rowCount: 1 };
}

/** The columns of a reference that become null: all but the tenant. */
const freed = (reference: Reference): readonly string[] => reference.columns.slice(1);

function withoutReferences(change: Change, orphans: readonly Orphan[]): Change {
  const own = orphans.filter((orphan) => orphan.change === change);
  if (own.length === 0) return change;
  const nulls = new Map<string, Set<number>>();
  for (const { reference, row } of own)
    for (const column of freed(reference)) nulls.set(column, (nulls.get(column) ?? new Set<number>()).add(row));
  const values = change.values.map((vector, place) => {
    const rows = nulls.get(change.columns[place] ?? "");
    return rows === undefined ? vector : vector.map((value, row) => (rows.has(row) ? null : value));
  });
  return { ...change, values };
}

/** Updates that say to everybody else that the references are off, later than what the author wrote. */
function detachments(
  env: ReplicaEnvironment,
  taken: readonly Change[],
  before: readonly Change[],
  orphans: readonly Orphan[],
): readonly Change[] {
  return taken.flatMap((change, place): readonly Change[] => {
    const own = orphans.filter((orphan) => orphan.change === before[place]);
    const plan = env.plans.get(change.table);
    if (own.length === 0 || plan === undefined) return [];
    const rows = [...new Set(own.map(({ row }) => row))];
    const kept = change.columns.flatMap((column, index) =>
      column.startsWith("$") ? [] : [{ column, vector: change.values[index] ?? [] }],
    );
    const changed = rows.map((row) =>
      plan.columns
        .filter((column) => own.some((orphan) => orphan.row === row && freed(orphan.reference).includes(column)))
        .join(","),
    );
    return [
      {
        table: change.table,
        op: "update",
        columns: [...kept.map(({ column }) => column), CHANGED_COLUMN],
        values: [...kept.map(({ vector }) => rows.map((row) => vector[row] ?? null)), changed],
        rowCount: rows.length,
      },
    ];
  });
}
