import { expect, it } from "vitest";
import { shoppingList } from "./shopping-list.ts";

it("what is written on the phone arrives at home, and what is written at home shows on the phone", async () => {
  const lines: string[] = [];
  expect(await shoppingList((line) => void lines.push(line))).toEqual(["bread", "milk"]);
  expect(lines[0]).toBe("milk at home: applied");
  expect(lines.at(-1)).toBe("on the phone: bread, milk");
});
