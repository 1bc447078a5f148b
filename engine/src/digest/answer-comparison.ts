import { beginApplying, type ReplicaEnvironment, setTextForm } from "../apply/apply-environment.ts";
import { refusalOfNaturalKey, refusalOfShape } from "../apply/check-authority.ts";
import { refusedByExistingScope } from "../apply/existing-scope.ts";
import { correction } from "../apply/apply-truth.ts";
import { isKeyText } from "../apply/key-text.ts";
import type { Change } from "../commit/commit.ts";
import { changesBytes } from "../commit/changes-bytes.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { restrictedScopes, scopeTest } from "../log/filter-commit.ts";
import { compareStamps } from "../merge/register.ts";
import { columnOf, KEY_SEPARATOR, rowKeys, withoutColumn } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import { latestStamp, readRowState, writeRowState } from "../merge/row-state.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import {
  type ComparedTable,
  COMPARED_ROWS_MAX,
  DIGEST_BYTES,
  KEPT_COLUMN,
  KEPT_VALUES_MAX,
  type KeptRows,
  type RangeAnswer,
  type RangeQuestion,
  RANGES_MAX,
  type RepairAnswer,
  type RepairRequest,
  type RowAnswer,
  type RowQuestion,
} from "./comparison.ts";
import { healRows, needsHealing } from "./heal-rows.ts";
import { readOwnRows, valueOf } from "./read-claims.ts";
import { changesOfClaims, claimsOfChanges, NO_CLAIM, type RowClaim, WHOLE_ROW } from "./row-claim.ts";
import { type ComparedRows, digestRange, digestsByKey, hexOf, rowDigests, sameDigest } from "./row-digest.ts";
import { settleRow, type Sides, sidesOf, writes } from "./settle-row.ts";
import { receivedPosition, unsettledKeys } from "./unsettled-keys.ts";

/** The child that asks. `peer` is the name of its cursors here. */
export interface AskingChild {
  readonly peer: string;
  readonly grant: Grant;
}

/** About how many bytes of rows one answer tells. */
const ANSWER_BYTES = 256 * 1024;
/** Rows of ours that the child does not name, in one answer. */
const UNNAMED_ROWS_MAX = 256;
const DAY_MS = 86_400_000;

/** Which of the child's ranges are otherwise here. Throws `refused-scope` for a tenant, `refused-schema` for a table or key that is not the child's. */
export async function answerRanges(
  database: Database,
  env: ReplicaEnvironment,
  child: AskingChild,
  question: RangeQuestion,
): Promise<RangeAnswer> {
  const rows = comparedRows(env, child, question);
  if (question.ranges.length > RANGES_MAX) throw new HayloftError("limit-reached", { limit: "rangesMax", max: RANGES_MAX });
  for (const { after, to } of question.ranges) for (const key of [after, to]) checkKey(rows.plan, key);
  return await database.transaction(
    async (tx) => {
      await setTextForm(tx);
      const differing: number[] = [];
      for (const [place, range] of question.ranges.entries())
        if (!sameDigest(range, await digestRange(tx, rows, range))) differing.push(place);
      return { differing };
    },
    { readOnly: true },
  );
}

/**
 * Tells the child what is here of rows that differ. What contradicts our own log is set right first. Rows that a commit touches which one of the
 * two does not have yet are left out.
 */
export async function answerRows(
  database: Database,
  env: ReplicaEnvironment,
  child: AskingChild,
  question: RowQuestion,
  nowMs: number,
): Promise<RowAnswer> {
  const rows = comparedRows(env, child, question);
  const { plan, tenant } = rows;
  const { keys, digests, range } = question;
  if (keys.length > COMPARED_ROWS_MAX) throw new HayloftError("limit-reached", { limit: "rowsMax", max: COMPARED_ROWS_MAX });
  if (digests.length !== keys.length * DIGEST_BYTES) throw new HayloftError("frame-invalid", { field: "digests" });
  for (const key of [range.after, range.to, ...keys.map((name) => partsOf(plan, name))]) checkKey(plan, key);
  return await database.transaction(async (tx) => {
    await beginApplying(tx);
    const received = await receivedPosition(tx, child.peer, tenant);
    const differing = await differingKeys(tx, rows, question);
    const unsettled = await unsettledKeys(tx, env, plan, { peer: child.peer, tenant, position: question.received }, differing);
    if (unsettled === null) return { received, left: differing.length, rows: [], healed: 0 };
    const settled = differing.filter((key) => !unsettled.has(key));
    const own = await readOwnRows(tx, env, plan, tenant, settled);
    const stands = new Map(
      [...own.claims].filter(([key, claim]) => needsHealing(own.here.get(key), claim) && isKept(env, plan, key, claim, nowMs)),
    );
    const healed = await healRows(tx, env, plan, tenant, { here: own.here, stands });
    const visible = await digestsByKey(tx, rows, settled);
    const unclear = new Set(healed.failed);
    const told = new Map(
      settled
        .filter((key) => !unclear.has(key))
        .map((key) => [key, shownClaim(rows, key, own.claims.get(key) ?? NO_CLAIM, visible.has(key))]),
    );
    const hidden = new Set(plan.table.hidden[child.grant.tier] ?? []);
    const { changes, left } = withinBytes(plan, tenant, told, hidden);
    return { received, left: differing.length - told.size + left, rows: changes, healed: healed.keys.length };
  });
}

/** Sets rows right that the child says are damaged here, as far as what is here, the rules and its rights agree. */
export async function takeRepair(
  database: Database,
  env: ReplicaEnvironment,
  child: AskingChild,
  { tenant, rows, received }: RepairRequest,
  nowMs: number,
): Promise<RepairAnswer> {
  if (tenant !== child.grant.tenant) throw new HayloftError("refused-scope", { tenant });
  const sides = sidesOf(env.catalog, child.grant.tier);
  return await database.transaction(async (tx) => {
    await beginApplying(tx);
    const total = { healed: 0, refused: 0 };
    for (const change of rows) {
      const plan = env.plans.get(change.table);
      const bare = withoutColumn(change, KEPT_COLUMN);
      if (plan === undefined || !isSound(plan, child.grant, tenant, bare)) {
        total.refused += change.rowCount;
        continue;
      }
      const { keys, failed } = await repairTable(tx, env, child, { tenant, plan, change, bare, received, sides, nowMs });
      total.healed += keys.length;
      total.refused += failed.length;
    }
    return total;
  });
}

interface TableRepair {
  readonly tenant: string;
  readonly plan: RowPlan;
  readonly change: Change;
  readonly bare: Change;
  readonly received: number;
  readonly sides: Sides;
  readonly nowMs: number;
}

async function repairTable(
  tx: SqlSession,
  env: ReplicaEnvironment,
  child: AskingChild,
  { tenant, plan, change, bare, received, sides, nowMs }: TableRepair,
): Promise<{ readonly keys: readonly string[]; readonly failed: readonly string[] }> {
  const keys = rowKeys(change, plan);
  const outside = await refusedByExistingScope(tx, env, tenant, child.grant, [
    correction(env, tenant, 0n, [plan.table.rule.kind === "appendOnly" ? { ...bare, op: "update" } : bare]),
  ]);
  const unsettled = await unsettledKeys(tx, env, plan, { peer: child.peer, tenant, position: received }, keys);
  if (outside.size > 0 || unsettled === null) return { keys: [], failed: keys };
  const own = await readOwnRows(tx, env, plan, tenant, keys);
  const stands = new Map<string, RowClaim>();
  const failed: string[] = [];
  for (const [key, told] of claimsOfChanges(plan, [change])) {
    const ours = own.claims.get(key) ?? NO_CLAIM;
    const claim = unsettled.has(key) ? null : rightfulClaim(plan, sides, told, ours, (nowMs + env.clockAheadMsMax) * 65_536);
    const settled = claim === null ? null : settleRow(plan, sides, claim, ours);
    const isTaken = settled !== null && needsHealing(own.here.get(key), settled) && isKept(env, plan, key, settled, nowMs);
    if (isTaken) stands.set(key, settled);
    else failed.push(key);
  }
  const healed = await healRows(tx, env, plan, tenant, { here: own.here, stands });
  return { keys: healed.keys, failed: [...failed, ...healed.failed] };
}

/**
 * What of a child's claim it may say: values under a stamp that we have for the column as well, and values of columns that its side
 * may write. Null when nothing is left, or when it has a stamp from the future.
 */
function rightfulClaim(plan: RowPlan, sides: Sides, told: RowClaim, ours: RowClaim, stampMax: number): RowClaim | null {
  const mayInsert = writes(plan, null, sides.child);
  if (!plan.merges) {
    if (told.cells !== null && mayInsert) return told;
    return null;
  }
  const state = readRowState(told.cells, told.stamps, plan);
  const mine = readRowState(ours.cells, ours.stamps, plan);
  if (latestStamp(state) > BigInt(Math.trunc(stampMax))) return null;
  const cells = new Map(
    [...state.cells].filter(([column, register]) => {
      const known = mine.cells.get(column);
      // What operations are remembered here nobody adds to without a commit.
      if (register.memory !== undefined && known?.memory !== undefined) return false;
      return writes(plan, column, sides.child) || (known !== undefined && compareStamps(known, register) === 0);
    }),
  );
  const deleted = mayInsert ? state.deleted : mine.deleted;
  if (cells.size === 0 && deleted === null) return null;
  const kept = new Map([...cells].map(([column, { value }]) => [column, value]));
  return { cells: told.cells === null ? null : kept, stamps: writeRowState({ ...state, cells, deleted }, plan), kept: told.kept };
}

/** The rows are of the form that the table needs, and within the grant. */
const isSound = (plan: RowPlan, grant: Grant, tenant: string, change: Change): boolean =>
  (change.op === "insert" || change.op === "delete") &&
  refusalOfShape(change, plan, true) === null &&
  refusalOfNaturalKey(change, plan) === null &&
  isGranted(plan, grant, tenant, change);

function isGranted(plan: RowPlan, grant: Grant, tenant: string, change: Change): boolean {
  if (columnOf(change, plan.tenantColumn)?.every((value) => value === tenant) !== true) return false;
  if (change.op === "delete") return true;
  const test = scopeTest(plan, grant, (column) => columnOf(change, column));
  return Array.from({ length: change.rowCount }, (_, row) => row).every(test);
}

/** False for a row that our own retention has removed, or is about to. */
function isKept(env: ReplicaEnvironment, plan: RowPlan, key: string, claim: RowClaim, nowMs: number): boolean {
  const retention = plan.table.retain[env.tier];
  if (retention === undefined) return false;
  if (retention.kind === "forever" || claim.cells === null) return true;
  if (retention.kind !== "days") return claim.kept.size > 0;
  const at = Date.parse(valueOf(plan, key, claim, retention.column) ?? "");
  return at >= nowMs - (retention.days - 1) * DAY_MS;
}

const partsOf = (plan: RowPlan, key: string): readonly string[] => (plan.keyColumns.length === 0 ? [] : key.split(KEY_SEPARATOR));

function checkKey(plan: RowPlan, key: readonly string[] | null): void {
  if (key === null) return;
  const types = plan.keyColumns.map((column) => plan.table.columns[column]?.type);
  if (key.length !== types.length || !types.every((type, place) => type !== undefined && isKeyText(type, key[place] ?? null)))
    throw new HayloftError("frame-invalid", { field: "key" });
}

/** What a child may compare: tables that are kept at its tier, of its own tenant within its grant, and of the shared tenant. */
function comparedRows(env: ReplicaEnvironment, { grant }: AskingChild, { tenant, table, kept }: ComparedTable): ComparedRows {
  const plan = env.plans.get(table);
  const isShared = tenant === env.catalog.sharedTenant;
  if (tenant !== grant.tenant && !isShared) throw new HayloftError("refused-scope", { tenant });
  if (plan?.table.retain[grant.tier] === undefined) throw new HayloftError("refused-schema", { table });
  if (isShared && plan.table.flow === "up") throw new HayloftError("refused-scope", { tenant });
  checkKept(plan, grant, kept);
  return { plans: env.plans, plan, tenant, grant: isShared ? { ...grant, tenant, scopes: {} } : grant, kept };
}

function checkKept(plan: RowPlan, grant: Grant, kept: KeptRows): void {
  const retention = plan.table.retain[grant.tier];
  if (kept === null || retention === undefined || retention.kind === "forever") return;
  const type = plan.table.columns[retention.column]?.type;
  const isGood = "from" in kept ? type !== undefined && isKeyText(type, kept.from) : kept.values.length <= KEPT_VALUES_MAX;
  if (!isGood) throw new HayloftError("frame-invalid", { field: "kept" });
}

/** Of the rows that the child names those that are otherwise here, and those that it does not name; of tables that only go up, none of these. */
async function differingKeys(
  tx: SqlSession,
  rows: ComparedRows,
  { keys, digests, range }: RowQuestion,
): Promise<readonly string[]> {
  const ours = await digestsByKey(tx, rows, keys);
  const differing = keys.filter((key, place) => {
    const digest = ours.get(key);
    return digest === undefined ? !isNought(digests, place) : digest !== theirDigest(digests, place);
  });
  if (rows.plan.table.flow === "up") return differing;
  const unnamed = await rowDigests(tx, rows, range, { without: keys, limit: UNNAMED_ROWS_MAX });
  return [...differing, ...unnamed.keys()];
}

const digestAt = (digests: Uint8Array, place: number): Uint8Array =>
  digests.subarray(place * DIGEST_BYTES, (place + 1) * DIGEST_BYTES);
const theirDigest = (digests: Uint8Array, place: number): string => hexOf(digestAt(digests, place));
const isNought = (digests: Uint8Array, place: number): boolean => digestAt(digests, place).every((byte) => byte === 0);

/** The claim as the child may see it. A row that its grant does not cover does not exist for it, nor what a deleted one held. */
function shownClaim({ plan, grant }: ComparedRows, key: string, claim: RowClaim, isVisible: boolean): RowClaim {
  if (claim.cells !== null)
    return isVisible ? claim : { cells: null, stamps: plan.merges ? "{}" : null, kept: new Set([WHOLE_ROW]) };
  if (claim.stamps === null) return claim;
  const state = readRowState(null, claim.stamps, plan);
  const dead = { ...claim, cells: new Map([...state.cells].map(([column, { value }]) => [column, value])) };
  const isSeen = restrictedScopes(plan, grant).every(({ column, ids }) => {
    const value = valueOf(plan, key, dead, column);
    return value === null || (value !== undefined && ids.has(value));
  });
  return isSeen ? claim : { ...claim, stamps: writeRowState({ ...state, cells: new Map() }, plan) };
}

/** The claims in order, as many as go into one answer. */
function withinBytes(
  plan: RowPlan,
  tenant: string,
  claims: ReadonlyMap<string, RowClaim>,
  hidden: ReadonlySet<string>,
): { readonly changes: readonly Change[]; readonly left: number } {
  const told = new Map<string, RowClaim>();
  let bytes = 0;
  for (const [key, claim] of claims) {
    const size = changesBytes(changesOfClaims(plan, tenant, new Map([[key, claim]]), hidden));
    if (told.size > 0 && bytes + size > ANSWER_BYTES) break;
    bytes += size;
    told.set(key, claim);
  }
  return { changes: changesOfClaims(plan, tenant, told, hidden), left: claims.size - told.size };
}
