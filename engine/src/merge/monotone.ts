import type { SqlType } from "../catalog/column.ts";
import type { ColumnRule, Lattice } from "../catalog/rule.ts";
import type { CellText } from "../commit/commit.ts";
import { compareValues } from "./compare-values.ts";
import { joinLastWriterWins } from "./last-writer-wins.ts";
import { compareRawValues, type Join } from "./register.ts";

type Order = Extract<ColumnRule, { readonly kind: "monotone" }>["order"];

/**
 * `monotone` with `max`, `min` or `or`: the greatest (least, true) value; of equal values the later register. Null is no value
 * and loses to every value. A maximum over a total order, hence commutative, associative, idempotent and monotone.
 */
function joinByValue(type: SqlType, direction: 1 | -1): Join {
  return (left, right) => {
    if (left.value === null || right.value === null) {
      if (left.value === right.value) return joinLastWriterWins(left, right);
      return left.value === null ? right : left;
    }
    const order = compareValues(type, left.value, right.value) * direction;
    return order === 0 ? joinLastWriterWins(left, right) : order > 0 ? left : right;
  };
}

/** All values that each value leads to, itself included. */
function reachable(lattice: Lattice["lattice"]): ReadonlyMap<string, ReadonlySet<string>> {
  const reach = (from: string, seen: Set<string>): Set<string> => {
    if (seen.has(from)) return seen;
    seen.add(from);
    for (const next of lattice[from] ?? []) reach(next, seen);
    return seen;
  };
  const names = new Set([...Object.keys(lattice), ...Object.values(lattice).flat()]);
  return new Map([...names].map((name) => [name, reach(name, new Set())]));
}

/**
 * The join of two values of a lattice: the least value that both lead to. A value that the lattice does not name loses to one
 * that it names. Returns null when there is none (the lint refuses such an order).
 */
function latticeJoin(reach: ReadonlyMap<string, ReadonlySet<string>>): (left: string, right: string) => string | null {
  return (left, right) => {
    const fromLeft = reach.get(left);
    const fromRight = reach.get(right);
    if (fromLeft === undefined || fromRight === undefined) return null;
    if (fromRight.has(left)) return left;
    if (fromLeft.has(right)) return right;
    const common = [...fromLeft].filter((name) => fromRight.has(name));
    return common.find((name) => common.every((other) => reach.get(name)?.has(other) ?? false)) ?? null;
  };
}

/**
 * `monotone` with a lattice: the join of both values. The register is of whoever wrote that value, of two the later, so that it goes
 * when that commit is taken back; of a value that neither wrote the stamp is unknown. A lexicographic product of a join and a
 * maximum with a least element, hence commutative, associative, idempotent and monotone.
 */
function joinByLattice({ lattice }: Lattice): Join {
  const reach = reachable(lattice);
  const join = latticeJoin(reach);
  const valueOf = (left: CellText, right: CellText): CellText => {
    if (left === null || right === null) return left ?? right;
    const joined = join(left, right);
    if (joined !== null) return joined;
    if (reach.has(left) !== reach.has(right)) return reach.has(left) ? left : right;
    return compareRawValues(left, right) >= 0 ? left : right;
  };
  return (left, right) => {
    if (left.value === right.value) return joinLastWriterWins(left, right);
    const value = valueOf(left.value, right.value);
    if (value === left.value) return left;
    return value === right.value ? right : { value, stamp: 0n, node: "" };
  };
}

/** The join of a monotone column. */
export function joinMonotone(type: SqlType, order: Order): Join {
  if (order === "max" || order === "or") return joinByValue(type, 1);
  if (order === "min") return joinByValue(type, -1);
  return joinByLattice(order);
}
