import type { SqlType } from "../catalog/column.ts";
import type { CellText } from "../commit/commit.ts";
import { isCanonicalText } from "../merge/canonical-text.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";

/**
 * True when the text is what Postgres prints for a value of the type, so that it can be asked for, and two texts are equal
 * when the keys are. A text key must not hold the separator of row keys, nor what Postgres cannot store.
 */
export function isKeyText(type: SqlType, value: CellText): value is string {
  return value !== null && isCanonicalText(type, value) && (type.kind !== "text" || !value.includes(KEY_SEPARATOR));
}
