import { diffSequences } from "./diff-sequences.ts";

/** A piece of a text that is replaced. Places and lengths in UTF-16 units; never inside a surrogate pair. */
export interface TextHunk {
  readonly at: number;
  readonly cut: string;
  readonly put: string;
}

/** Above so many edits between two texts, the place between their common ends is replaced whole. */
const EDITS_MAX = 256;
/** Hunks with fewer equal characters between them are one: words are not built from the letters of other words. */
const GAP_MIN = 4;

/** The hunks that turn one text into the other, in order. */
export function textHunks(before: string, after: string): readonly TextHunk[] {
  const left = Array.from(before);
  const right = Array.from(after);
  const hunks: { from: number; to: number; freshFrom: number; freshTo: number }[] = [];
  for (const hunk of diffSequences(left, right, EDITS_MAX)) {
    const last = hunks.at(-1);
    if (last !== undefined && hunk.from - last.to < GAP_MIN) {
      last.to = hunk.to;
      last.freshTo = hunk.freshTo;
    } else hunks.push({ ...hunk });
  }
  let place = 0;
  let units = 0;
  return hunks.map(({ from, to, freshFrom, freshTo }) => {
    units += left.slice(place, from).join("").length;
    const cut = left.slice(from, to).join("");
    const hunk = { at: units, cut, put: right.slice(freshFrom, freshTo).join("") };
    place = to;
    units += cut.length;
    return hunk;
  });
}
