import type { Column, SqlType } from "../../catalog/column.ts";
import type { Shown } from "../../catalog/rule.ts";
import type { CellText } from "../../commit/commit.ts";
import { isCanonicalText } from "../canonical-text.ts";
import { compareRawValues } from "../register.ts";
import { compareValues } from "../compare-values.ts";
import { dotJson, dotOfJson, survivingDots } from "./dot.ts";
import { compareEntries, type Dot, hasSeen, itemsOf, type Json, type MemoryBase, type MemoryEntry } from "./memory.ts";
import type { MemoryRule } from "./memory-rule.ts";

/** One value that somebody wrote and nobody who had seen it has replaced. */
export interface Version extends Dot {
  readonly value: CellText;
  readonly author: string | null;
  readonly tier: string | null;
}

/**
 * `review`: a write replaces the versions that its writer had seen; what was written without knowing of each other stays side by side
 * until a person decides, which is a write like any other. Which versions are left depends on the set of operations alone, and
 * which of them shows is a maximum over a total order of them: commutative, associative, idempotent. No version goes
 * away but by somebody who had seen it.
 *
 * The state of a base is the list of its versions; a version that the base has seen and does not list was replaced.
 */
export const reviewRule = (column: Column, show: Shown): MemoryRule =>
  versionsRule(column, (versions) => shownOf(versions, show, column.type));

/** A rule that keeps versions, of which `shown` makes the value. */
export function versionsRule(column: Column, shown: (versions: readonly Version[]) => CellText): MemoryRule {
  return {
    needsSeen: true,
    addsUp: false,
    keepsAuthor: true,
    opFault: (op) => (isValue(op, column) ? null : "a version is no value of the column"),
    opOfValue: (value) => value,
    valueOf: (base, entries) => shown(versionsLeft(base, entries)),
    fold: (base, entries) => versionsLeft(base, entries).map(versionJson),
    joinStates: (left, right) =>
      survivingDots([readVersions(left), left.seen], [readVersions(right), right.seen]).map(versionJson),
  };
}

/** A version that does not show is not checked by the database, so it is checked here. */
export const isValue = (op: Json, { type, allowed, isNullable }: Column): boolean =>
  op === null ? isNullable : typeof op === "string" && isCanonicalText(type, op) && (allowed === null || allowed.includes(op));

const versionJson = (version: Version): Json => [dotJson(version), version.value, version.author, version.tier];

function readVersions(base: MemoryBase | null): readonly Version[] {
  return itemsOf(base?.state).map((item) => {
    const [dot, value, author, tier] = itemsOf(item);
    return { ...dotOfJson(dot ?? null), value: cellOf(value), author: cellOf(author), tier: cellOf(tier) };
  });
}

const cellOf = (value: Json | undefined): CellText => (typeof value === "string" ? value : null);

/** The versions that nobody has replaced, in the order of their dots. */
function versionsLeft(base: MemoryBase | null, entries: readonly MemoryEntry[]): readonly Version[] {
  const all: readonly Version[] = [...readVersions(base), ...entries.map((entry) => ({ ...entry, value: cellOf(entry.op) }))];
  return all
    .filter((version) => !entries.some((entry) => hasSeen(entry, version)))
    .map(({ stamp, node, at, value, author, tier }) => ({ stamp, node, at, value, author, tier }))
    .toSorted(compareEntries);
}

/** The version that shows until somebody decides. */
function shownOf(versions: readonly Version[], show: Shown, type: SqlType): CellText {
  if (typeof show === "object") return (versions.findLast(({ tier }) => tier === show.tier) ?? versions.at(-1))?.value ?? null;
  if (show === "first") return versions[0]?.value ?? null;
  if (show === "last") return versions.at(-1)?.value ?? null;
  const direction = show === "max" ? 1 : -1;
  const inOrder = versions
    .map(({ value }) => value)
    .toSorted((left, right) => compareValues(type, left, right) * direction || compareRawValues(left, right));
  return inOrder.at(-1) ?? null;
}
