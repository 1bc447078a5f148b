import type { CellText } from "../commit/commit.ts";
import { joinSetOnce } from "./set-once.ts";
import type { Join } from "./register.ts";

/**
 * `appendOnly`: the first content stays. The same content again changes nothing; other content under the same identity is
 * refused before it gets here (`contentDiffers`), so that the join is only ever asked to agree with itself.
 */
export const joinAppendOnly: Join = joinSetOnce;

/** True when a second row of the same identity has other content in a column that both carry: `refused-content`. */
export function contentDiffers(
  columns: readonly string[],
  existing: (column: string) => CellText | undefined,
  incoming: (column: string) => CellText | undefined,
): boolean {
  return columns.some((column) => {
    const mine = existing(column);
    const other = incoming(column);
    return mine !== undefined && other !== undefined && mine !== other;
  });
}
