import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bigint, integer, jsonb, numeric, text } from "../../catalog/column.ts";
import { column as rules, type ConcurrentValue } from "../../catalog/rule.ts";
import { checkRuleLaws } from "../../testing/check-rule-laws.ts";
import { EMPTY_MEMORY, type Json, type MemoryEntry } from "./memory.ts";
import { compactMemory, memoryRuleOf, valueOfMemory } from "./memory-rule.ts";
import { counterRule } from "./counter.ts";

const cents = fc.integer({ min: -10_000, max: 10_000 }).map((value): Json => (value / 100).toFixed(2));
const whole = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map((value): Json => String(value));
const labels = fc.subarray(["a", "b", "é", "\u{1F404}", "__proto__", ""]);
const setOps = fc
  .tuple(labels, labels)
  .map(([add, remove]): Json => ({ add, remove: remove.filter((item) => !add.includes(item)) }));
const days = fc.option(
  fc.integer({ min: 0, max: 3 }).map((value): Json => String(value)),
  { nil: null },
);

const longest = {
  name: "longest",
  version: 1,
  resolve: (values: readonly ConcurrentValue[]) =>
    values.reduce<string | null>((best, { value }) => ((value ?? "").length >= (best ?? "").length ? value : best), null),
};

describe("laws of rules that merge operations", () => {
  it("counter of decimals", () => checkRuleLaws(rules.counter(), numeric(10, 2), cents));
  it("counter of integers", () => checkRuleLaws(rules.counter(), bigint(), whole));
  it("setUnion", () => checkRuleLaws(rules.setUnion(), jsonb(), setOps));
  it.each(["first", "last", "min", "max"] as const)("review that shows the %s", (show) =>
    checkRuleLaws(rules.review({ show }), integer().nullable(), days),
  );
  it("review that shows a tier", () => checkRuleLaws(rules.review({ show: { tier: "edge" } }), integer().nullable(), days));
  it("custom", () =>
    checkRuleLaws(
      rules.custom(longest),
      text(),
      fc.string({ maxLength: 4, unit: "grapheme-ascii" }).map((value): Json => value),
    ));

  it("the kit names the law that a rule breaks, with the smallest history", () => {
    let count = 0;
    const counting = { name: "counting", version: 1, resolve: () => String((count += 1)) };
    expect(() => checkRuleLaws(rules.custom(counting), text(), fc.constant("x"))).toThrow(/is not|Property failed/u);
  });
});

describe("taking in and folding", () => {
  const entry = (stamp: bigint, node: string, op: Json): MemoryEntry => ({
    stamp,
    node,
    at: 1,
    isFirst: false,
    op,
    seen: new Map(),
    author: null,
    tier: null,
  });

  it("a folded counter keeps one number for each node, however many differences there were", () => {
    const rule = counterRule({ kind: "integer" });
    const entries = Array.from({ length: 1_000 }, (_, index) => entry(BigInt(index + 1), `n${String(index % 2)}`, "1"));
    const folded = compactMemory(rule, { ...EMPTY_MEMORY, entries }, 2_000n);
    expect(folded.base?.state).toEqual({ n0: "500", n1: "500" });
    expect(folded.entries).toEqual([]);
    expect(valueOfMemory(rule, folded)).toBe("1000");
  });

  it("a review shows a version of its tier, else the last", () => {
    const rule = memoryRuleOf(rules.review({ show: { tier: "cloud" } }), integer());
    if (rule === null) throw new Error("no rule");
    const versions = [entry(1n, "n1", "1"), entry(2n, "n2", "2"), entry(3n, "n3", "3")];
    const show = (tiers: readonly string[]): unknown =>
      valueOfMemory(rule, { ...EMPTY_MEMORY, entries: versions.map((item, index) => ({ ...item, tier: tiers[index] ?? null })) });
    expect(show(["cloud", "edge", "edge"])).toBe("1");
    expect(show(["cloud", "cloud", "edge"])).toBe("2");
    expect(show(["edge", "edge", "edge"])).toBe("3");
  });
});
