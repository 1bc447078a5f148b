import { type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { refusalOfShape } from "../apply/check-authority.ts";
import type { JudgedSource } from "../apply/judge-commits.ts";
import { liftStored } from "../apply/lift-commits.ts";
import { readTruth } from "../apply/read-truth.ts";
import { keyVectors, rowKeyOf, selectByKeySql, type TextRow } from "../apply/table-sql.ts";
import { writeCommits } from "../apply/write-commits.ts";
import { stampAheadMs } from "../clock/hybrid-clock.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { keepRows, restrictedScopes, scopeTest } from "../log/filter-commit.ts";
import { columnOf, rowKeys, rowValues, STAMPS_COLUMN } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { latestStamp, readRowState } from "../merge/row-state.ts";
import { mayWrite } from "../merge/single-writer.ts";
import { checkRoom, holdCommits } from "../quarantine/hold-commits.ts";
import type { SqlSession } from "../store/database.ts";
import { writtenSince } from "./written-since.ts";
import { isOffer, withoutOffer } from "./offered-change.ts";
import { offerRows } from "./seal-offer.ts";

/** An open recovery of a child: what it proved, and when. */
interface OpenRecovery {
  readonly position: number;
  readonly incarnation: string;
}

/**
 * Takes in what children offer of rows that were lost here: joined with what is here where rules need stamps, and elsewhere written
 * unless it was written here since. A child that proved that we have lost something may offer rows of every table within its grant; any
 * other only such as it could have written itself. Returns the offers that are refused.
 */
export async function applyOffers(
  tx: SqlSession,
  env: ReplicaEnvironment,
  source: JudgedSource,
  commits: readonly Commit[],
  nowMs: number,
): Promise<ReadonlyMap<Commit, ErrorCode>> {
  const refused = new Map<Commit, ErrorCode>();
  const offers = commits.filter(isOffer);
  if (offers.length === 0 || source.from === "parent") return refused;
  const recovery = await openRecovery(tx, source);
  for (const commit of offers) {
    const changes = liftStored(env.lens, commit.catalogVersion, commit.changes.map(withoutOffer));
    let restored = 0;
    for (const change of changes) {
      const plan = env.plans.get(change.table);
      if (plan === undefined || refusalOfShape(change, plan, true) !== null || isAhead(env, plan, change, nowMs)) {
        refused.set(commit, "refused-schema");
        continue;
      }
      if (recovery === null && !mayOffer(env, plan, source)) continue;
      restored += await applyOffer(tx, env, source, plan, { ...commit, changes: [change] }, recovery);
    }
    const offered = changes.reduce((sum, { rowCount }) => sum + rowCount, 0);
    if (recovery !== null) await noteOffer(tx, source, recovery, offered, restored);
  }
  return refused;
}

async function openRecovery(tx: SqlSession, { tenant, peer }: JudgedSource): Promise<OpenRecovery | null> {
  const { rows } = await tx.query<OpenRecovery>(
    `select position, incarnation from hayloft.recovery where tenant_id = $1 and peer = $2::uuid and finished_at is null
    order by noticed_at desc limit 1`,
    [tenant, peer],
  );
  return rows[0] ?? null;
}

/** True for a table all of whose columns the child, or a tier below it, may write. */
function mayOffer(env: ReplicaEnvironment, { table }: RowPlan, { grant }: JudgedSource): boolean {
  const { tiers } = env.catalog;
  const below = tiers.slice(tiers.indexOf(grant?.tier ?? ""));
  const rules = [table.rule, ...Object.values(table.rule.columns)];
  return below.some((tier) => table.writers.includes(tier)) && rules.every((rule) => below.some((tier) => mayWrite(rule, tier)));
}

function isAhead(env: ReplicaEnvironment, plan: RowPlan, change: Change, nowMs: number): boolean {
  const documents = columnOf(change, STAMPS_COLUMN);
  if (documents === undefined) return plan.merges;
  return documents.some((document, row) => {
    const state = readRowState(change.op === "delete" ? null : rowValues(change, row), document, plan);
    return stampAheadMs(latestStamp(state), nowMs) > env.clockAheadMsMax;
  });
}

/** Returns how many rows are now otherwise than before. */
async function applyOffer(
  tx: SqlSession,
  env: ReplicaEnvironment,
  source: JudgedSource,
  plan: RowPlan,
  offer: Commit,
  recovery: OpenRecovery | null,
): Promise<number> {
  const { tenant, peer } = source;
  const [change] = offer.changes;
  if (change === undefined) return 0;
  const allowed = await withinGrant(tx, source, plan, change);
  const kept = plan.merges ? new Set<string>() : await writtenHere(tx, env, plan, source, allowed, recovery);
  const wanted = keepRows(
    allowed,
    placesWhere(allowed, plan, (key) => !kept.has(key)),
  );
  const keys = rowKeys(wanted, plan);
  if (keys.length === 0) return 0;
  const before = await imagesOf(tx, plan, tenant, keys);
  const { refused } = await writeCommits(tx, env, tenant, oneByOne(offer, wanted), "parent");
  const held = [...refused].map(([commit, code]) => ({ commit, code, judgedBy: env.catalogMark }));
  await holdCommits(tx, env, tenant, held, peer);
  if (held.length > 0) await checkRoom(tx, env, tenant);
  const after = await imagesOf(tx, plan, tenant, keys);
  const changed = keys.filter((key) => before.get(key) !== after.get(key));
  await offerRows(tx, env, plan, { tenant, keys: changed, via: peer });
  return changed.length;
}

const placesWhere = (change: Change, plan: RowPlan, test: (key: string) => boolean): readonly number[] =>
  rowKeys(change, plan).flatMap((key, row) => (test(key) ? [row] : []));

/** A row that cannot be written must not keep the others back. */
const oneByOne = (offer: Commit, change: Change): readonly Commit[] =>
  Array.from({ length: change.rowCount }, (_, row) => ({ ...offer, seq: row + 1, changes: [keepRows(change, [row])] }));

/** The rows within the child's grant: by what they say, and where they do not say where they belong by what is here. */
async function withinGrant(tx: SqlSession, { tenant, grant }: JudgedSource, plan: RowPlan, change: Change): Promise<Change> {
  const scopes = grant === null ? [] : restrictedScopes(plan, grant);
  if (grant === null || scopes.length === 0) return change;
  if (change.op !== "delete" && scopes.every(({ column }) => change.columns.includes(column))) {
    const test = scopeTest(plan, grant, (column) => columnOf(change, column));
    return keepRows(change, Array.from({ length: change.rowCount }, (_, row) => row).filter(test));
  }
  const keys = rowKeys(change, plan);
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, false), keyVectors(plan, tenant, keys));
  const seen = rows.filter((row) => scopes.every(({ column, ids }) => row[column] == null || ids.has(row[column])));
  const visible = new Set(seen.map((row) => rowKeyOf(plan, row)));
  return keepRows(
    change,
    placesWhere(change, plan, (key) => visible.has(key)),
  );
}

/** Rows of a plain table that stay as they are here: append-only ones, and those with a later word than the child's. */
async function writtenHere(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { tenant, peer }: JudgedSource,
  change: Change,
  recovery: OpenRecovery | null,
): Promise<ReadonlySet<string>> {
  const keys = rowKeys(change, plan);
  if (plan.table.rule.kind === "appendOnly" || recovery === null) {
    const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.table.primaryKey, false), keyVectors(plan, tenant, keys));
    return new Set(rows.map((row) => rowKeyOf(plan, row)));
  }
  return await writtenSince(tx, env, plan, { tenant, peer, position: recovery.position });
}

/** Rows with their stamps as one text each, to see what changes. */
async function imagesOf(
  tx: SqlSession,
  plan: RowPlan,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const images = new Map<string, string>();
  for (const change of await readTruth(tx, plan, tenant, keys, null))
    for (const [row, key] of rowKeys(change, plan).entries())
      images.set(key, JSON.stringify([change.op, change.values.map((vector) => vector[row])]));
  return images;
}

async function noteOffer(
  tx: SqlSession,
  { tenant, peer }: JudgedSource,
  { incarnation }: OpenRecovery,
  offered: number,
  restored: number,
): Promise<void> {
  await tx.query(
    `update hayloft.recovery set offers = offers + 1, rows_offered = rows_offered + $4::bigint, rows_restored = rows_restored + $5::bigint
    where tenant_id = $1 and peer = $2::uuid and incarnation = $3::uuid`,
    [tenant, peer, incarnation, offered, restored],
  );
}
