import { expect, it } from "vitest";
import { opsWithout } from "./row-ops.ts";

const cost: ReadonlySet<string> = new Set(["cost"]);

it("a row's operations without a hidden column say nothing where nothing else was done", () => {
  expect(opsWithout('{"$at":1,"cost":"5","heads":"1"}', cost)).toBe('{"$at":1,"heads":"1"}');
  expect(opsWithout('{"$at":1,"$seen":{"n":"7"},"cost":"5"}', cost)).toBeNull();
});

it("and what a delete had seen stays, since it decides which rows it takes away", () => {
  const text = '{"$at": 1, "$seen": {"n": "7"}}';
  expect(opsWithout(text, cost)).toBe(text);
});
