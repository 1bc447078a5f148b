import type { ColumnRule, RowRule } from "../catalog/rule.ts";
import { joinLastWriterWins } from "./last-writer-wins.ts";
import type { Join } from "./register.ts";

/**
 * `singleWriter`: among the values of the one tier that may write, the later wins. Values of other tiers never get here:
 * they are refused by `mayWrite`. Same laws as `lastWriterWins`.
 */
export const joinSingleWriter: Join = joinLastWriterWins;

/** True when a commit of `tier` may write under the rule. */
export const mayWrite = (rule: ColumnRule | RowRule, tier: string): boolean => rule.kind !== "singleWriter" || rule.tier === tier;
