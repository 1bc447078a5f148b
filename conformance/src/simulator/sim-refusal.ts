import type { Commit, ErrorCode } from "@hayloft/engine";
import { columnOf } from "@hayloft/engine";
import { isMixed, type SimTable, simTables } from "./sim-catalog.ts";

/** A value that no parent takes. */
export const POISON = "poison";

/** A child's commit is refused when its tier may not write a table in it, or when it writes what no parent takes. */
export function refusalOf(commit: Commit): ErrorCode | null {
  for (const change of commit.changes) {
    if (!Object.hasOwn(simTables, change.table)) return "refused-schema";
    if (
      isMixed(change.table) &&
      (columnOf(change, "$changed")?.[0] ?? "").includes("name") &&
      columnOf(change, "name")?.[0] === POISON
    )
      return "refused-constraint";
    if (!simTables[change.table as SimTable].writers.includes(commit.tier)) return "refused-writer";
  }
  return null;
}
