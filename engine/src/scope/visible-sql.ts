import { restrictedScopes } from "../log/filter-commit.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { SqlParameter } from "../store/database.ts";

type Plans = ReadonlyMap<string, RowPlan>;

/** Conditions of the grant on an alias' own scope columns. A dimension that is null is seen by the whole tenant. */
export function scopeSql(plan: RowPlan, alias: string, grant: Grant, parameters: SqlParameter[]): string {
  return restrictedScopes(plan, grant)
    .map(({ column, ids }) => {
      parameters.push([...ids]);
      const name = `${alias}.${sqlName(column)}`;
      return ` and (${name} is null or ${name}::text = any($${String(parameters.length)}::text[]))`;
    })
    .join("");
}

/** True when some rows of the table are hidden from the grant: by their own scope, or because a row they refer to is. */
function mayHide(plans: Plans, plan: RowPlan, grant: Grant, path: ReadonlySet<string> = new Set()): boolean {
  if (path.has(plan.table.name)) return false;
  if (restrictedScopes(plan, grant).length > 0) return true;
  return hidingReferences(plans, plan, grant, new Set([...path, plan.table.name])).length > 0;
}

interface HidingReference {
  readonly target: RowPlan;
  readonly columns: readonly string[];
}

/** The references of a table that lead to tables of which rows may be hidden from the grant. */
export function hidingReferences(
  plans: Plans,
  plan: RowPlan,
  grant: Grant,
  path: ReadonlySet<string> = new Set([plan.table.name]),
): readonly HidingReference[] {
  return plan.table.references.flatMap(({ table, columns }) => {
    const target = plans.get(table);
    return target !== undefined && mayHide(plans, target, grant, path) ? [{ target, columns }] : [];
  });
}

/**
 * Conditions under which a row of an alias is for the grant, each beginning with ` and `: its own scope is granted, and so is
 * every row that it refers to, at any distance. A row whose parent row is elsewhere would never find it at the child.
 */
export function visibleSql(
  plans: Plans,
  plan: RowPlan,
  alias: string,
  grant: Grant,
  parameters: SqlParameter[],
  path: ReadonlySet<string> = new Set([plan.table.name]),
): string {
  const own = scopeSql(plan, alias, grant, parameters);
  const parents = hidingReferences(plans, plan, grant, path).map(({ target, columns }) => {
    const inner = `${alias}_${String(path.size)}`;
    const below = visibleSql(plans, target, inner, grant, parameters, new Set([...path, target.table.name]));
    const nulls = columns.map((column) => `${alias}.${sqlName(column)} is null`).join(" or ");
    const joined = target.table.primaryKey.map((key, place) => {
      return `${inner}.${sqlName(key)} = ${alias}.${sqlName(columns[place] ?? "")}`;
    });
    return ` and (${nulls} or exists (select 1 from ${sqlName(target.table.name)} as ${inner} where ${joined.join(" and ")}${below}))`;
  });
  return own + parents.join("");
}
