import { keyVectors, keyArraysSql, rowKeyOf, type TextRow } from "../apply/table-sql.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { keepRows } from "../log/filter-commit.ts";
import { columnOf, KEY_SEPARATOR } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";
import { hidingReferences, visibleSql } from "./visible-sql.ts";

type Plans = ReadonlyMap<string, RowPlan>;

/**
 * The commits without inserts and updates of rows that refer to a row which is hidden from the grant by now, such as records of
 * a barn that has moved to another farm. Asks the database only about tables that such rows may refer to.
 */
export async function hideOrphans(
  tx: SqlSession,
  plans: Plans,
  grant: Grant,
  commits: readonly Commit[],
): Promise<readonly Commit[]> {
  const wanted = new Map<RowPlan, Set<string>>();
  for (const change of commits.flatMap((commit) => commit.changes)) {
    for (const { target, keys } of parentsOf(plans, grant, change)) {
      const known = wanted.get(target) ?? new Set();
      wanted.set(target, known);
      for (const key of keys) if (key !== null) known.add(key);
    }
  }
  const hidden = new Map<RowPlan, ReadonlySet<string>>();
  for (const [target, keys] of wanted) {
    const found = keys.size === 0 ? new Set<string>() : await hiddenKeys(tx, plans, target, grant, [...keys]);
    if (found.size > 0) hidden.set(target, found);
  }
  if (hidden.size === 0) return commits;
  return commits.flatMap((commit) => {
    const changes = commit.changes.flatMap((change) => withoutOrphans(plans, grant, change, hidden));
    return changes.length === 0 ? [] : [{ ...commit, changes }];
  });
}

/** Per reference that may lead to a hidden row: the row key that each row of the change refers to, or null for none. */
function parentsOf(
  plans: Plans,
  grant: Grant,
  change: Change,
): readonly { readonly target: RowPlan; readonly keys: readonly (string | null)[] }[] {
  const plan = plans.get(change.table);
  if (plan === undefined || (change.op !== "insert" && change.op !== "update")) return [];
  return hidingReferences(plans, plan, grant).map(({ target, columns }) => {
    const vectors = target.keyColumns.map((key) => columnOf(change, columns[target.table.primaryKey.indexOf(key)] ?? "") ?? []);
    const keys = Array.from({ length: change.rowCount }, (_, row) => {
      const parts = vectors.map((vector) => vector[row] ?? null);
      return parts.includes(null) ? null : parts.join(KEY_SEPARATOR);
    });
    return { target, keys };
  });
}

async function hiddenKeys(
  tx: SqlSession,
  plans: Plans,
  target: RowPlan,
  grant: Grant,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const parameters: SqlParameter[] = [...keyVectors(target, grant.tenant, keys)];
  const { columns, join } = keyArraysSql(target, "t");
  const visible = visibleSql(plans, target, "t", grant, parameters);
  const { rows } = await tx.query<TextRow>(
    `select ${columns} from ${sqlName(target.table.name)} as t join ${join} where not (true${visible})`,
    parameters,
  );
  return new Set(rows.map((row) => rowKeyOf(target, row)));
}

function withoutOrphans(
  plans: Plans,
  grant: Grant,
  change: Change,
  hidden: ReadonlyMap<RowPlan, ReadonlySet<string>>,
): readonly Change[] {
  const parents = parentsOf(plans, grant, change).filter(({ target }) => hidden.has(target));
  if (parents.length === 0) return [change];
  const isOrphan = (row: number): boolean =>
    parents.some(({ target, keys }) => hidden.get(target)?.has(keys[row] ?? "") === true && keys[row] !== null);
  const rows = Array.from({ length: change.rowCount }, (_, row) => row).filter((row) => !isOrphan(row));
  return rows.length === 0 ? [] : [keepRows(change, rows)];
}
