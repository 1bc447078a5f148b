import { expect, it } from "vitest";
import { isBackupDue } from "./backup-keeper.ts";

const minute = 60_000;
const limits = { everyMs: 60 * minute, unsentMs: 5 * minute };

it.each([
  ["there is none", null, 0, true],
  ["it is young and the hub has all", 10 * minute, 0, false],
  ["it is as old as the schedule", 60 * minute, 0, true],
  ["something waits for long, and it is as old", 5 * minute, 5 * minute, true],
  ["something waits for long, and it is younger", 4 * minute, 90 * minute, false],
  ["something waits for less", 30 * minute, 4 * minute, false],
  ["the clock went back a little", -1_000, 90 * minute, false],
  ["it is of a time to come", -2 * minute, 0, true],
])("a backup is due or not when %s", (_when, ageMs, oldestUnsentMs, due) => {
  expect(isBackupDue({ ...limits, ageMs, oldestUnsentMs })).toBe(due);
});
