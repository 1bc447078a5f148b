import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { isKeyText } from "../apply/key-text.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { placeName, placeOf } from "./dependence.ts";

/** Of the places those whose rows are in the database. */
export async function rowsHere(
  session: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  places: Iterable<string>,
): Promise<ReadonlySet<string>> {
  const keys = new Map<RowPlan, string[]>();
  for (const name of places) {
    const { table, key } = placeOf(name);
    const plan = env.plans.get(table);
    if (plan === undefined || !isSound(plan, key)) continue;
    const list = keys.get(plan);
    if (list === undefined) keys.set(plan, [key]);
    else list.push(key);
  }
  const here = new Set<string>();
  for (const [plan, list] of keys) {
    const { rows } = await session.query<TextRow>(
      selectByKeySql(plan, plan.table.primaryKey, false),
      keyVectors(plan, tenant, list),
    );
    for (const row of rows) here.add(placeName({ table: plan.table.name, key: rowKeyOf(plan, row) }));
  }
  return here;
}

/** What is no key at all cannot be asked for. */
function isSound(plan: RowPlan, key: string): boolean {
  const parts = key.split(KEY_SEPARATOR);
  return (
    parts.length === plan.keyColumns.length &&
    plan.keyColumns.every((column, place) => {
      const type = plan.table.columns[column]?.type;
      return type !== undefined && isKeyText(type, parts[place] ?? null);
    })
  );
}
