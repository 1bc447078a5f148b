import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SqlType } from "../catalog/column.ts";
import { compareValues } from "./compare-values.ts";
import { joinLastWriterWins } from "./last-writer-wins.ts";
import { joinMonotone } from "./monotone.ts";
import type { Join, Register } from "./register.ts";
import { joinSetOnce } from "./set-once.ts";

const nodes = fc.constantFrom("n1", "n2", "n3");

/** A stamp of a node belongs to one event, so equal stamps come with equal values. */
const registers = (values: fc.Arbitrary<string | null>): fc.Arbitrary<readonly Register[]> =>
  fc
    .array(fc.record({ value: values, stamp: fc.bigInt({ min: 0n, max: 6n }), node: nodes }), { minLength: 3, maxLength: 3 })
    .map((list) => {
      const byStamp = new Map<string, Register>();
      return list.map((register) => {
        if (register.stamp === 0n) return { ...register, node: "" };
        const name = `${String(register.stamp)} ${register.node}`;
        const known = byStamp.get(name) ?? register;
        byStamp.set(name, known);
        return known;
      });
    });

function holdsLaws(values: fc.Arbitrary<string | null>, join: Join): void {
  fc.assert(
    fc.property(registers(values), ([a, b, c]) => {
      if (a === undefined || b === undefined || c === undefined) return;
      expect(join(a, b)).toEqual(join(b, a));
      expect(join(join(a, b), c)).toEqual(join(a, join(b, c)));
      expect(join(a, a)).toEqual(a);
      expect(join(join(a, b), b)).toEqual(join(a, b));
    }),
    { numRuns: 2_000 },
  );
}

/** Once joined in, a value is never passed below again. */
function movesOneWay(
  values: fc.Arbitrary<string | null>,
  join: Join,
  atLeast: (after: string | null, before: string | null) => boolean,
): void {
  fc.assert(
    fc.property(registers(values), ([a, b]) => {
      if (a === undefined || b === undefined) return;
      expect(atLeast(join(a, b).value, a.value)).toBe(true);
    }),
  );
}

const integers = fc.option(fc.integer({ min: -20, max: 20 }).map(String), { nil: null });
const numerics = fc.option(
  fc.integer({ min: -300, max: 300 }).map((cents) => (cents / 100).toFixed(2)),
  { nil: null },
);
const moments = fc.option(
  fc
    .date({ min: new Date("1999-01-01"), max: new Date("2101-01-01"), noInvalidDate: true })
    .map((date) => `${date.toISOString().slice(0, -1).replace("T", " ")}+00`),
  { nil: null },
);
const texts = fc.option(fc.constantFrom("", "a", "b", "Z", "é", "\u{1F404}", "\uFFFD"), { nil: null });
const flags = fc.constantFrom("true", "false", null);
const steps = fc.constantFrom("open", "held", "paused", "closed", null);
const lattice = { lattice: { open: ["held", "paused"], held: ["closed"], paused: ["closed"], closed: [] } };

const type = (kind: Exclude<SqlType["kind"], "numeric">): SqlType => ({ kind });
const decimal: SqlType = { kind: "numeric", precision: 10, scale: 2 };

describe("merge laws (commutative, associative, idempotent)", () => {
  it("lastWriterWins", () => holdsLaws(texts, joinLastWriterWins));
  it("setOnce", () => holdsLaws(texts, joinSetOnce));
  it("monotone max of integers", () => holdsLaws(integers, joinMonotone(type("integer"), "max")));
  it("monotone max of decimals", () => holdsLaws(numerics, joinMonotone(decimal, "max")));
  it("monotone max of timestamps", () => holdsLaws(moments, joinMonotone(type("timestamptz"), "max")));
  it("monotone max of texts", () => holdsLaws(texts, joinMonotone(type("text"), "max")));
  it("monotone min", () => holdsLaws(integers, joinMonotone(type("integer"), "min")));
  it("monotone or", () => holdsLaws(flags, joinMonotone(type("boolean"), "or")));
  it("monotone lattice", () => holdsLaws(steps, joinMonotone(type("text"), lattice)));
});

describe("monotone rules move one way", () => {
  const above = (kind: SqlType) => (after: string | null, before: string | null) => compareValues(kind, after, before) >= 0;
  it("max never falls", () => movesOneWay(numerics, joinMonotone(decimal, "max"), above(decimal)));
  it("or never turns false", () => movesOneWay(flags, joinMonotone(type("boolean"), "or"), above(type("boolean"))));
  it("min never rises", () =>
    movesOneWay(
      integers,
      joinMonotone(type("integer"), "min"),
      (after, before) => before === null || compareValues(type("integer"), after, before) <= 0,
    ));
  it("a lattice value only goes along its arrows", () => {
    const reach: Record<string, readonly string[]> = {
      open: ["open", "held", "paused", "closed"],
      held: ["held", "closed"],
      paused: ["paused", "closed"],
      closed: ["closed"],
    };
    movesOneWay(
      steps,
      joinMonotone(type("text"), lattice),
      (after, before) => before === null || reach[before]?.includes(after ?? "") === true,
    );
  });
  it("F-G10 states that were reached at the same time join to one state of the graph, the same in any order, to which each of them leads", () => {
    const reach: Record<string, readonly string[]> = {
      open: ["open", "held", "paused", "closed"],
      held: ["held", "closed"],
      paused: ["paused", "closed"],
      closed: ["closed"],
    };
    const join = joinMonotone(type("text"), lattice);
    const written = fc.uniqueArray(fc.record({ value: steps, stamp: fc.bigInt({ min: 1n, max: 40n }), node: nodes }), {
      minLength: 2,
      maxLength: 6,
      selector: ({ stamp, node }) => `${String(stamp)} ${node}`,
    });
    const meet = (list: readonly Register[]): string | null =>
      list.reduce((met, next) => join(met, next), { value: null, stamp: 0n, node: "" }).value;
    fc.assert(
      fc.property(
        written.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          const state = meet(list);
          expect(meet(shuffled)).toBe(state);
          for (const { value } of list) if (value !== null) expect(reach[value]).toContain(state);
        },
      ),
      { numRuns: 2_000 },
    );
  });
  it("two branches of a lattice join where both lead to, which neither wrote", () => {
    const at = (value: string, stamp: bigint): Register => ({ value, stamp, node: "n1" });
    const nobodys = { value: "closed", stamp: 0n, node: "" };
    expect(joinMonotone(type("text"), lattice)(at("held", 5n), at("paused", 3n))).toEqual(nobodys);
  });
  it("the value of a lattice stays its writer's when a later one is behind it", () => {
    const at = (value: string, stamp: bigint): Register => ({ value, stamp, node: "n1" });
    expect(joinMonotone(type("text"), lattice)(at("closed", 3n), at("held", 5n))).toEqual(at("closed", 3n));
  });
  it("a value that is set once stays", () =>
    movesOneWay(texts, joinSetOnce, (after, before) => before === null || after !== null));
});

describe("comparing values as Postgres does", () => {
  const cases: readonly (readonly [SqlType, string, string])[] = [
    [type("integer"), "9", "10"],
    [type("bigint"), "-9007199254740993", "-9007199254740992"],
    [decimal, "9.99", "10.00"],
    [decimal, "-10.5", "-9.25"],
    [decimal, "Infinity", "NaN"],
    [decimal, "12345678901234567890.01", "12345678901234567890.02"],
    [type("double"), "1e-7", "0.1"],
    [type("timestamptz"), "2026-01-01 00:00:00+00", "2026-01-01 00:00:00.5+00"],
    [type("timestamptz"), "2026-01-01 00:00:00.09+00", "2026-01-01 00:00:00.1+00"],
    [type("timestamptz"), "9999-12-31 00:00:00+00", "10000-01-01 00:00:00+00"],
    [type("timestamptz"), "0044-03-15 00:00:00+00 BC", "0001-01-01 00:00:00+00"],
    [type("timestamptz"), "2026-01-01 00:00:00+00", "infinity"],
    [type("date"), "2026-01-09", "2026-01-10"],
    [type("boolean"), "false", "true"],
    [type("text"), "Z", "a"],
    [type("text"), "\uFFFD", "\u{1F404}"],
    [type("text"), "ab", "abc"],
  ];
  it.each(cases)("%o: %s before %s", (kind, left, right) => {
    expect(compareValues(kind, left, right)).toBe(-1);
    expect(compareValues(kind, right, left)).toBe(1);
    expect(compareValues(kind, left, left)).toBe(0);
    expect(compareValues(kind, null, left)).toBe(-1);
  });
});
