import type { Commit, ErrorCode } from "@hayloft/engine";
import { type SimTable, simTables } from "./sim-catalog.ts";

/** A child's commit is refused when its tier may not write a table in it. */
export function refusalOf(commit: Commit): ErrorCode | null {
  for (const change of commit.changes) {
    if (!Object.hasOwn(simTables, change.table)) return "refused-schema";
    if (!simTables[change.table as SimTable].writers.includes(commit.tier)) return "refused-writer";
  }
  return null;
}
