import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { readRows } from "../apply/row-store.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import type { CellText } from "../commit/commit.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import { keptKey } from "../quarantine/hold-commits.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { isPresent, writeRowState } from "../merge/row-state.ts";
import type { SqlSession } from "../store/database.ts";
import { lastLogged, loggedWrites, writeOf } from "./logged-values.ts";
import { NO_CLAIM, type RowClaim, WHOLE_ROW } from "./row-claim.ts";

/** Rows of a table as they are here, and what this replica says of them, which is what its log has where that knows better. */
export interface OwnRows {
  /** The rows that there are, with all columns; locked. */
  readonly here: ReadonlyMap<string, TextRow>;
  readonly claims: ReadonlyMap<string, RowClaim>;
}

/** Reads rows by key and holds them against our log. Locks them until the transaction ends. */
export async function readOwnRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<OwnRows> {
  if (keys.length === 0) return { here: new Map(), claims: new Map() };
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, true), keyVectors(plan, tenant, keys));
  const here = new Map(rows.map((row) => [rowKeyOf(plan, row), row]));
  const claims = plan.merges
    ? await mergedClaims(tx, env, plan, tenant, keys)
    : await plainClaims(tx, env, plan, tenant, keys, here);
  return { here, claims };
}

async function plainClaims(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
  here: ReadonlyMap<string, TextRow>,
): Promise<ReadonlyMap<string, RowClaim>> {
  const logged = await lastLogged(tx, env, plan, tenant, keys);
  return new Map(
    keys.map((key) => {
      const row = here.get(key);
      const known = logged.get(key);
      const kept = known === undefined ? NO_CLAIM.kept : new Set([WHOLE_ROW]);
      if (known === null || (known === undefined && row === undefined)) return [key, { ...NO_CLAIM, kept }];
      const cells = new Map<string, CellText>();
      for (const column of plan.cellColumns) {
        const value = known?.get(column) ?? (known?.has(column) === true ? null : row?.[column]);
        if (value !== undefined) cells.set(column, value);
      }
      return [key, { cells, stamps: null, kept }];
    }),
  );
}

async function mergedClaims(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, RowClaim>> {
  const stored = await readRows(tx, plan, tenant, keys, true);
  const written = [...stored.values()].flatMap(({ state }) => [...state.cells.values()].filter(({ stamp }) => stamp > 0n));
  const logged = await loggedWrites(tx, env, plan, tenant, written);
  const claims = new Map<string, RowClaim>();
  for (const [key, { state }] of stored) {
    const kept = new Set<string>();
    const cells = new Map(state.cells);
    for (const [column, register] of state.cells) {
      // What a lattice joined from several writes none of them wrote, and memories say themselves what the value is.
      if (register.memory !== undefined || isLattice(plan, column)) continue;
      const value = logged.get(writeOf(key, column, register));
      if (value === undefined) continue;
      kept.add(column);
      cells.set(column, { ...register, value });
    }
    const values = isPresent({ ...state, cells }, plan)
      ? new Map([...cells].map(([column, { value }]) => [column, value]))
      : null;
    claims.set(key, { cells: values, stamps: writeRowState({ ...state, cells }, plan), kept });
  }
  return claims;
}

function isLattice(plan: RowPlan, column: string): boolean {
  const rule = plan.ruleOf(column);
  return rule.kind === "monotone" && typeof rule.order !== "string";
}

/** Of the given rows those that held commits touch: they are not settled. */
export async function heldKeys(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const byKept = new Map(keys.map((key) => [keptKey(key), key]));
  const { rows } = await tx.query<{ row_key: string }>(
    `select distinct p.row_key from hayloft.quarantine_place p
    join hayloft.quarantine q on q.tenant_id = p.tenant_id and q.origin = p.origin and q.seq = p.seq and q.state = 'held'
    where p.tenant_id = $1 and not p.own and p.table_name = $2 and p.row_key = any($3::text[]) and p.use in ('makes', 'changes')`,
    [tenant, plan.table.name, [...byKept.keys()]],
  );
  return new Set(rows.flatMap(({ row_key }) => byKept.get(row_key) ?? []));
}

/** The value of a column in a row key or row, for retention and scope. */
export function valueOf(plan: RowPlan, key: string, claim: RowClaim, column: string): CellText | undefined {
  const place = plan.keyColumns.indexOf(column);
  return place >= 0 ? key.split(KEY_SEPARATOR)[place] : claim.cells?.get(column);
}
