import { beginApplying, type ReplicaEnvironment, setTextForm } from "../apply/apply-environment.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import {
  type ComparedParent,
  COMPARED_ROWS_MAX,
  DIGEST_BYTES,
  type KeyRange,
  type RangeDigest,
  RANGES_MAX,
  type RowAnswer,
} from "./comparison.ts";
import { healRows } from "./heal-rows.ts";
import { missingRows } from "./missing-rows.ts";
import { readOwnRows } from "./read-claims.ts";
import { changesOfClaims, claimsOfChanges, NO_CLAIM, type RowClaim, showsSame } from "./row-claim.ts";
import {
  bytesOfHex,
  type ComparedRows,
  digestFirst,
  digestParts,
  digestRange,
  digestsByKey,
  hexOf,
  joinDigests,
  keptRows,
  rowDigests,
  walkByKey,
} from "./row-digest.ts";
import { settleRow, type Sides, sidesOf } from "./settle-row.ts";
import { receivedPosition, unsettledKeys } from "./unsettled-keys.ts";

/** What comparing one table has shown. */
export interface TableComparison {
  readonly tenant: string;
  readonly table: string;
  /** Rows of ours that were compared, and their digest (32 hexadecimal digits). */
  readonly rows: number;
  readonly digest: string;
  /** Rows set right here. */
  readonly healedHere: number;
  /** Rows set right at the parent. */
  readonly healedAbove: number;
  /** Rows that differ still: on their way, held, refused by the parent, or more than one comparison takes. */
  readonly left: number;
}

export interface ComparisonOptions {
  readonly database: Database;
  readonly env: ReplicaEnvironment;
  /** The parent's node, which names its cursors here. */
  readonly peer: string;
  readonly grant: Grant;
  readonly parent: ComparedParent;
  readonly nowMs: number;
  /** Default: all that the parent and this tier keep. */
  readonly tables?: readonly string[];
  /** Called between two steps; resolves when the next may begin. Throws to end the comparison. */
  readonly pause?: () => Promise<void>;
}

/** Rows of one range, and of the parts into which a range is cut that differs, coarse ones first: the parent runs a statement for each. */
const RANGE_ROWS = 10_000;
const PART_ROWS: readonly number[] = [1_250, 160];
/** Ranges in one question at most, so that the parent works while we do, and has little to do still when we are at the end. */
const QUESTION_RANGES = 2;
/** Questions under way at a time: both sides work at once. */
const QUESTIONS_MAX = 3;
/** How often one part is compared anew while that sets rows right. */
const PASSES_MAX = 64;
const DAY_MS = 86_400_000;

/**
 * Compares our rows with the parent's, table by table, referenced ones first, and sets right what differs: here or, where our rows stand, there.
 * Only rows that nothing is on its way for count. Each step is a short transaction.
 */
export async function compareWithParent(options: ComparisonOptions): Promise<readonly TableComparison[]> {
  const { env, grant } = options;
  const { sharedTenant } = env.catalog;
  const compared: TableComparison[] = [];
  for (const tenant of new Set([sharedTenant, grant.tenant])) {
    const isShared = tenant === sharedTenant;
    for (const name of env.writeOrder) {
      const plan = env.plans.get(name);
      const isWanted = options.tables === undefined || options.tables.includes(name);
      if (plan?.table.retain[grant.tier] === undefined || !isWanted || (isShared && plan.table.flow === "up")) continue;
      const shown = isShared ? { ...grant, tenant, scopes: {} } : grant;
      compared.push(await new ComparedWithParent(options, plan, tenant, shown, isShared).run());
    }
  }
  return compared;
}

/** One table on its way. */
class ComparedWithParent {
  readonly #options: ComparisonOptions;
  readonly #sides: Sides;
  readonly #isShared: boolean;
  #rows: ComparedRows;
  #healedHere = 0;
  #healedAbove = 0;
  #left = 0;

  constructor(options: ComparisonOptions, plan: RowPlan, tenant: string, grant: Grant, isShared: boolean) {
    const { env } = options;
    this.#options = options;
    this.#isShared = isShared;
    // What all tenants read nobody below writes.
    this.#sides = isShared ? { child: [], parent: env.catalog.tiers } : sidesOf(env.catalog, grant.tier);
    this.#rows = { plans: env.plans, plan, tenant, grant, kept: null };
  }

  async run(): Promise<TableComparison> {
    const { plan, tenant } = this.#rows;
    const kept = await this.#read(async (tx) => await keptRows(tx, this.#rows, this.#oldestMs()));
    this.#rows = { ...this.#rows, kept };
    const ranges = await this.#compareAll();
    for (const range of ranges.differing) await this.#narrow(range);
    if (ranges.differing.length > 0 && plan.table.flow === "up") await this.#bringBack();
    return {
      tenant,
      table: plan.table.name,
      rows: ranges.rows,
      digest: hexOf(ranges.digest),
      healedHere: this.#healedHere,
      healedAbove: this.#healedAbove,
      left: this.#left,
    };
  }

  /** The age up to which every tier above keeps the rows, and we do; less a day, in which it may remove them already. */
  #oldestMs(): number {
    const { plan } = this.#rows;
    const days = [...this.#sides.parent, this.#rows.grant.tier].flatMap((tier) => {
      const retention = plan.table.retain[tier];
      return retention?.kind === "days" ? [retention.days - 1] : [];
    });
    return days.length === 0 ? 0 : this.#options.nowMs - Math.min(...days) * DAY_MS;
  }

  async #read<T>(work: (tx: SqlSession) => Promise<T>): Promise<T> {
    return await this.#options.database.transaction(
      async (tx) => {
        await setTextForm(tx);
        return await work(tx);
      },
      { readOnly: true },
    );
  }

  /** Digests the whole table range by range while the parent does the same one behind. */
  async #compareAll(): Promise<{
    readonly rows: number;
    readonly digest: Uint8Array;
    readonly differing: readonly RangeDigest[];
  }> {
    const all: RangeDigest[] = [];
    const asked: Promise<readonly RangeDigest[]>[] = [];
    const differing: RangeDigest[] = [];
    let ranges: RangeDigest[] = [];
    for (let after: readonly string[] | null = null, more = true, size = 1; more;) {
      const range = await this.#read(async (tx) => {
        await walkByKey(tx);
        return await digestFirst(tx, this.#rows, { after, to: null }, RANGE_ROWS);
      });
      all.push(range);
      ranges.push(range);
      after = range.to;
      more = after !== null;
      if (ranges.length >= size || !more) {
        asked.push(this.#ask(ranges));
        ranges = [];
        // The first question is small, so that the parent has something to do soon.
        size = Math.min(size + 1, QUESTION_RANGES);
      }
      if (asked.length >= QUESTIONS_MAX) differing.push(...((await asked.shift()) ?? []));
      await this.#options.pause?.();
    }
    for (const answer of asked) differing.push(...(await answer));
    const rows = all.reduce((sum, range) => sum + range.rows, 0);
    return { rows, digest: joinDigests(all.map(({ digest }) => digest)), differing };
  }

  /** Of the ranges those that differ at the parent. */
  #ask(ranges: readonly RangeDigest[]): Promise<readonly RangeDigest[]> {
    const { tenant, plan, kept } = this.#rows;
    const answer = this.#options.parent
      .compareRanges({ tenant, table: plan.table.name, kept, ranges })
      .then(({ differing }) => ranges.filter((_, place) => differing.includes(place)));
    // Looked at in its turn; until then nobody else does.
    answer.catch(() => undefined);
    return answer;
  }

  /** Cuts a range that differs into parts and these again, and compares the rows of those that do. */
  async #narrow(range: RangeDigest): Promise<void> {
    const size = PART_ROWS.find((rows) => rows < range.rows);
    if (size === undefined) {
      await this.#settle({ after: range.after, to: range.to });
      return;
    }
    const parts = await this.#read(async (tx) => await digestParts(tx, this.#rows, range, size));
    for (let from = 0; from < parts.length; from += RANGES_MAX) {
      for (const part of await this.#ask(parts.slice(from, from + RANGES_MAX))) await this.#narrow(part);
    }
  }

  async #settle(range: KeyRange): Promise<void> {
    for (let pass = 0; pass < PASSES_MAX; pass += 1) {
      await this.#options.pause?.();
      // First: a commit of the parent that comes between counts as one that we do not have.
      const received = await this.#received();
      const ours = await this.#read(
        async (tx) => await rowDigests(tx, this.#rows, range, { without: [], limit: COMPARED_ROWS_MAX }),
      );
      const { told, healed, left } = await this.#exchange(range, ours, received);
      const isLast = told === 0 || healed === 0 || pass === PASSES_MAX - 1;
      // What was set right is seen by the digest of all of it, which is much shorter than its rows.
      const differs =
        left > 0 || (await this.#ask([await this.#read(async (tx) => await digestRange(tx, this.#rows, range))])).length > 0;
      if (isLast) this.#left += left;
      if (isLast || !differs) return;
    }
  }

  /** Rows that our log has and the table lacks: of a table that only goes up the parent does not say which of its rows were ours. */
  async #bringBack(): Promise<void> {
    const { plan, grant } = this.#rows;
    const { env } = this.#options;
    const received = await this.#received();
    const keys = await this.#read(async (tx) => await missingRows(tx, env, plan, grant.tier, this.#rows));
    if (keys.length > 0) await this.#exchange({ after: null, to: null }, new Map(keys.map((key) => [key, null])), received);
  }

  async #exchange(
    range: KeyRange,
    ours: ReadonlyMap<string, string | null>,
    received: number,
  ): Promise<{ readonly told: number; readonly healed: number; readonly left: number }> {
    const { database, env, parent } = this.#options;
    const { tenant, plan, kept } = this.#rows;
    const digests = new Uint8Array(ours.size * DIGEST_BYTES);
    for (const [place, digest] of [...ours.values()].entries())
      if (digest !== null) digests.set(bytesOfHex(digest), place * DIGEST_BYTES);
    const question = { tenant, table: plan.table.name, kept, range, received, keys: [...ours.keys()], digests };
    const answer = await parent.compareRows(question);
    const taken = await database.transaction(async (tx) => await this.#take(tx, env, answer, ours));
    const healedAbove = await this.#repair(received, taken.up);
    this.#healedHere += taken.healed;
    this.#healedAbove += answer.healed + healedAbove;
    const told = answer.rows.reduce((sum, { rowCount }) => sum + rowCount, 0);
    const left = answer.left + taken.left + (taken.up.size - healedAbove);
    return { told, healed: taken.healed + healedAbove, left };
  }

  /** Sets our rows right by the parent's answer; returns those of ours that stand against it. */
  async #take(
    tx: SqlSession,
    env: ReplicaEnvironment,
    answer: RowAnswer,
    ours: ReadonlyMap<string, string | null>,
  ): Promise<{ readonly healed: number; readonly left: number; readonly up: ReadonlyMap<string, RowClaim> }> {
    await beginApplying(tx);
    const { plan, tenant } = this.#rows;
    const told = claimsOfChanges(plan, answer.rows);
    const peer = { peer: this.#options.peer, tenant, position: answer.received };
    const unsettled = await unsettledKeys(tx, env, plan, peer, [...told.keys()]);
    const keys = unsettled === null ? [] : [...told.keys()].filter((key) => !unsettled.has(key));
    const own = await readOwnRows(tx, env, plan, tenant, keys);
    const now = await digestsByKey(tx, this.#rows, keys);
    const stands = new Map<string, RowClaim>();
    const up = new Map<string, RowClaim>();
    for (const key of keys) {
      // Written since we told it: the next comparison sees what that comes to.
      if ((now.get(key) ?? null) !== (ours.get(key) ?? null)) continue;
      const [mine, theirs] = [own.claims.get(key) ?? NO_CLAIM, told.get(key) ?? NO_CLAIM];
      const settled = settleRow(plan, this.#sides, mine, theirs);
      stands.set(key, settled);
      if (!showsSame(settled, theirs) && !this.#isShared) up.set(key, mine);
    }
    const healed = await healRows(tx, env, plan, tenant, { here: own.here, stands });
    return { healed: healed.keys.length, left: told.size - stands.size + healed.failed.length, up };
  }

  async #repair(received: number, up: ReadonlyMap<string, RowClaim>): Promise<number> {
    if (up.size === 0) return 0;
    const { tenant, plan } = this.#rows;
    const rows = changesOfClaims(plan, tenant, up, new Set(plan.table.hidden[this.#rows.grant.tier] ?? []));
    return (await this.#options.parent.repair({ tenant, received, rows })).healed;
  }

  /** How far we have applied the parent's log. */
  async #received(): Promise<number> {
    return await receivedPosition(this.#options.database, this.#options.peer, this.#rows.tenant);
  }
}
