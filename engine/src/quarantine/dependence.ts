import type { Change, Commit } from "../commit/commit.ts";
import { CHANGED_COLUMN, columnOf, KEY_SEPARATOR, rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";

/** A row by table and key, or a declared group (`@` and its name) by its values. */
export interface Place {
  readonly table: string;
  readonly key: string;
}

/** What a commit does to a place. `needs`: it refers to the row and does not bring it. */
export type Use = "makes" | "changes" | "needs" | "joins";

/** What of a commit matters to commits that are held, and to those that come after it while it is held. */
export interface Footprint {
  readonly makes: ReadonlySet<string>;
  readonly changes: ReadonlySet<string>;
  readonly needs: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

/** A commit that is held, as the decision needs it. */
export interface HeldBefore {
  readonly origin: string;
  readonly seq: number;
  /** Commits of one chain were written one after another with the earlier ones in sight; see `chainOf`. */
  readonly chain: string;
  /** True while its author shows its rows, because it is only early. */
  readonly waits: boolean;
  readonly footprint: Footprint;
  readonly changes: readonly Change[];
}

const SEPARATOR = "\u001e";
export const placeName = ({ table, key }: Place): string => `${table}${SEPARATOR}${key}`;
export function placeOf(name: string): Place {
  const at = name.indexOf(SEPARATOR);
  return { table: name.slice(0, at), key: name.slice(at + 1) };
}

/** A child's commits follow each other by origin; what comes from the parent is one sequence, whoever wrote it. */
export const chainOf = (commit: Pick<Commit, "origin">, from: "child" | "parent", peer: string): string =>
  from === "child" ? commit.origin : peer;

/** True for the places that are asked for. Without a filter every place counts. */
export type Interest = (table: string) => boolean;

/**
 * Where a commit leaves traces. `interest` leaves out tables and groups (`@name`) that nobody asks for, so that a stream of
 * plain inserts beside a few held commits costs nothing.
 */
export function footprintOf(
  commit: Pick<Commit, "changes">,
  plans: ReadonlyMap<string, RowPlan>,
  interest: Interest = () => true,
): Footprint {
  const makes = new Set<string>();
  const changes = new Set<string>();
  const needs = new Set<string>();
  const groups = new Set<string>();
  for (const change of commit.changes) {
    const plan = plans.get(change.table);
    if (plan === undefined) continue;
    if (interest(change.table)) {
      const target = change.op === "insert" ? makes : changes;
      for (const key of rowKeys(change, plan)) target.add(placeName({ table: change.table, key }));
    }
    for (const name of groupNames(change, plan, interest)) groups.add(name);
    if (change.op === "insert" || change.op === "update")
      for (const name of referenceNames(change, plan, plans, interest)) needs.add(name);
  }
  for (const name of makes) needs.delete(name);
  return { makes, changes, needs, groups };
}

function groupNames(change: Change, plan: RowPlan, interest: Interest): readonly string[] {
  const { group } = plan.table.holdTogether ?? { group: null };
  if (group === null || !interest(`@${group}`)) return [];
  const vectors = (plan.table.holdTogether?.columns ?? []).map((column) => columnOf(change, column));
  const names = new Set<string>();
  for (let row = 0; row < change.rowCount; row += 1) {
    const values = vectors.map((vector) => vector?.[row] ?? null);
    if (values.every((value) => value !== null)) names.add(placeName({ table: `@${group}`, key: values.join(KEY_SEPARATOR) }));
  }
  return [...names];
}

function referenceNames(
  change: Change,
  plan: RowPlan,
  plans: ReadonlyMap<string, RowPlan>,
  interest: Interest,
): readonly string[] {
  return plan.table.references.flatMap((reference) => {
    const target = plans.get(reference.table);
    if (target === undefined || !interest(reference.table)) return [];
    const places = target.keyColumns.map((name) =>
      columnOf(change, reference.columns[target.table.primaryKey.indexOf(name)] ?? ""),
    );
    const names = new Set<string>();
    for (let row = 0; row < change.rowCount; row += 1) {
      const values = places.map((vector) => vector?.[row] ?? null);
      // A null in a key refers to nothing.
      if (values.every((value) => value !== null))
        names.add(placeName({ table: reference.table, key: values.join(KEY_SEPARATOR) }));
    }
    return [...names];
  });
}

/** Why a later commit steps aside with a held one. */
export type Tie = "row" | "missing-row" | "reference" | "group";

/**
 * Whether a commit that comes later builds on a held one, and by what:
 *
 * - `missing-row`: it changes or deletes a row that the held commit would have inserted and that is not here, whoever wrote it.
 * - `reference`: it refers to such a row.
 * - `group`: both have a row in one declared group.
 * - `row`: both are of one chain and touch the same row, and the held one waits (so its author goes on from it); or the held one
 *   was refused and the later change still shows a value that only the held one wrote, so it was made before its author knew.
 *
 * An author's change of the same row after it got the true row back shows none of these values and stands by itself.
 * `isHere` says which rows are in the database.
 */
export function tieTo(
  held: HeldBefore,
  later: {
    readonly chain: string;
    readonly footprint: Footprint;
    readonly changes: readonly Change[];
  },
  plans: ReadonlyMap<string, RowPlan>,
  isHere: (place: string) => boolean,
): Tie | null {
  const { footprint } = later;
  const missing = (name: string): boolean => held.footprint.makes.has(name) && !isHere(name);
  if (some(footprint.changes, missing)) return "missing-row";
  if (some(footprint.needs, missing)) return "reference";
  if (some(footprint.groups, (name) => held.footprint.groups.has(name))) return "group";
  if (held.chain !== later.chain) return null;
  const touched = (name: string): boolean => held.footprint.makes.has(name) || held.footprint.changes.has(name);
  const shared = [...footprint.changes, ...footprint.makes].filter(touched);
  if (shared.length === 0) return null;
  return held.waits || showsValues(held.changes, later.changes, plans, new Set(shared)) ? "row" : null;
}

const some = (names: ReadonlySet<string>, test: (name: string) => boolean): boolean => {
  for (const name of names) if (test(name)) return true;
  return false;
};

/** True when an update shows, in a column that it did not change, the value that the held commit wrote there. */
function showsValues(
  held: readonly Change[],
  later: readonly Change[],
  plans: ReadonlyMap<string, RowPlan>,
  shared: ReadonlySet<string>,
): boolean {
  const written = new Map<string, Map<string, string | null>>();
  for (const change of held) {
    const plan = plans.get(change.table);
    if (plan === undefined || (change.op !== "insert" && change.op !== "update")) continue;
    for (const [row, key] of rowKeys(change, plan).entries()) {
      const name = placeName({ table: change.table, key });
      if (!shared.has(name)) continue;
      const cells = written.get(name) ?? new Map<string, string | null>();
      written.set(name, cells);
      for (const column of setColumns(change, row, plan)) cells.set(column, columnOf(change, column)?.[row] ?? null);
    }
  }
  return later.some((change) => {
    const plan = plans.get(change.table);
    if (plan === undefined || change.op !== "update") return false;
    return rowKeys(change, plan).some((key, row) => {
      const cells = written.get(placeName({ table: change.table, key }));
      if (cells === undefined) return false;
      const own = new Set(setColumns(change, row, plan));
      return [...cells].some(([column, value]) => !own.has(column) && columnOf(change, column)?.[row] === value);
    });
  });
}

/** The columns that a change sets in a row, without those that say where the row belongs. */
function setColumns(change: Change, row: number, plan: RowPlan): readonly string[] {
  const scope = new Set<string>(Object.values(plan.table.scope));
  const own = plan.cellColumns.filter((column) => !scope.has(column) && change.columns.includes(column));
  const changed = change.op === "update" ? columnOf(change, CHANGED_COLUMN)?.[row] : undefined;
  if (changed === undefined || changed === null) return own;
  const names = new Set(changed.split(","));
  return own.filter((column) => names.has(column));
}

export interface Split {
  readonly ready: readonly Commit[];
  /** Per commit that steps aside the held commit that it builds on. */
  readonly causes: ReadonlyMap<Commit, HeldBefore>;
}

/**
 * Splits commits, in the order in which they came, into those that may be written and those that step aside with a held one.
 * `settled` are those of them that are held already for a reason of their own, and how they are held. What steps aside is held
 * too, so what builds on it follows.
 */
export function splitDependants(
  commits: readonly Commit[],
  context: {
    readonly plans: ReadonlyMap<string, RowPlan>;
    readonly held: readonly HeldBefore[];
    readonly settled: ReadonlyMap<Commit, HeldBefore>;
    readonly chain: (commit: Commit) => string;
    readonly footprint: (commit: Commit) => Footprint;
    readonly isHere: (place: string) => boolean;
  },
): Split {
  const { plans, settled, chain, footprint } = context;
  const held = [...context.held];
  const ready: Commit[] = [];
  const causes = new Map<Commit, HeldBefore>();
  const made = new Set<string>();
  const names = new Set<string>();
  const remember = (item: HeldBefore): void => {
    for (const part of [item.footprint.makes, item.footprint.changes, item.footprint.groups])
      for (const name of part) names.add(name);
  };
  held.forEach(remember);
  const isHere = (place: string): boolean => made.has(place) || context.isHere(place);
  for (const commit of commits) {
    const own = settled.get(commit);
    if (own !== undefined) {
      held.push(own);
      remember(own);
      continue;
    }
    const later = { chain: chain(commit), footprint: footprint(commit), changes: commit.changes };
    const { makes, changes: changed, needs, groups } = later.footprint;
    const meets = [makes, changed, needs, groups].some((part) => some(part, (name) => names.has(name)));
    const cause = meets ? held.find((item) => tieTo(item, later, plans, isHere) !== null) : undefined;
    if (cause === undefined) {
      ready.push(commit);
      for (const name of later.footprint.makes) made.add(name);
      continue;
    }
    causes.set(commit, cause);
    const { origin, seq, changes } = commit;
    const item = { origin, seq, chain: later.chain, waits: cause.waits, footprint: later.footprint, changes };
    held.push(item);
    remember(item);
  }
  return { ready, causes };
}
