import { expect, it } from "vitest";
import { endOfSegment } from "./stored-elsewhere.ts";

const MIB = 1n << 20n;

it("the end of an archived segment is where the next one begins", () => {
  expect(endOfSegment("000000010000000000000001", "00000001", 16n * MIB)).toBe("0/2000000");
  expect(endOfSegment("0000000A00000003000000FF", "0000000A", 16n * MIB)).toBe("4/0");
  expect(endOfSegment("000000010000000200000003", "00000001", 1_024n * MIB)).toBe("3/0");
});

it.each([
  ["a history file", "00000002.history"],
  ["a label of a base copy", "000000010000000000000003.00000028.backup"],
  ["a segment of another timeline", "000000020000000000000003"],
  ["small letters", "00000001000000000000000a"],
])("%s says nothing", (_what, file) => {
  expect(endOfSegment(file, "00000001", 16n * MIB)).toBeNull();
});
