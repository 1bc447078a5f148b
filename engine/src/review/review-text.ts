import { msOfStamp } from "../clock/hybrid-clock.ts";
import { valueText } from "../explain/explanation-text.ts";
import type { OpenReview, ReviewedValue } from "./review.ts";

/** A review for a person: what shows, and each value with who wrote it when. */
export function reviewText({ table, key, column, shown, values }: OpenReview): string {
  return [`${table} ${key.join(",")} ${column}: shows ${valueText(shown)}`, ...values.map(sideText)].join("\n");
}

function sideText({ value, author, tier, node, stamp }: ReviewedValue): string {
  const who = [author ?? "nobody named", ...(tier === null ? [] : [`on the ${tier}`]), node].join(" ");
  return `    ${valueText(value)}  by ${who} at ${new Date(msOfStamp(stamp)).toISOString()}`;
}
