import type { Column } from "../../catalog/column.ts";
import type { CustomRule } from "../../catalog/rule.ts";
import type { CellText } from "../../commit/commit.ts";
import type { MemoryRule } from "./memory-rule.ts";
import { isValue, type Version, versionsRule } from "./review.ts";

/**
 * `custom`: versions as in `review`, of which the application's function makes one. It is given the versions that are left, in
 * the order of their stamps, so that whatever it computes depends on the set of operations alone: commutative, associative and
 * idempotent by construction. A single version is the value as it was written.
 */
export const customRule = (column: Column, rule: CustomRule): MemoryRule =>
  versionsRule(column, (versions) => resolved(column, rule, versions));

function resolved(column: Column, rule: CustomRule, versions: readonly Version[]): CellText {
  const last = versions.at(-1)?.value ?? null;
  if (versions.length < 2) return last;
  try {
    const value = rule.resolve(versions);
    return isValue(value, column) ? value : last;
  } catch {
    // Every replica meets the same error with the same versions, so that they still agree.
    return last;
  }
}
