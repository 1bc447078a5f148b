import { type Draft, ROOT, treeAt, type TreePath } from "./draft.ts";
import { type TextHunk, textHunks } from "./text-hunks.ts";
import { nearestPlace } from "./text-search.ts";

/** What somebody did to a text: `before`, `cut` and `after` stood there in this order from `at - before.length` on. */
export interface TextPatch {
  /** UTF-16 units. */
  readonly at: number;
  readonly before: string;
  readonly cut: string;
  readonly put: string;
  readonly after: string;
}

/** Characters around a change by which its place is found again; the shorter when the longer are not there. */
const CONTEXTS = [32, 8] as const;
/** What is replaced is found by one side alone, when the other has changed. */
const CONTEXT_LEAST = 8;
/** A change in a text that looks different now is looked for in so many pieces at most. */
const PIECES_MAX = 8;

/** `path` of a document that is one text. */
export const TEXT_PATH: TreePath = [ROOT];

/** The patch that turns one whole text into another. */
export const wholePatch = (before: string, after: string): TextPatch => ({
  at: 0,
  before: "",
  cut: before,
  put: after,
  after: "",
});

/**
 * Makes a change in a text that is, or has become, another than the writer saw. Where the surroundings are as the writer saw them
 * the change is made exactly. Otherwise each piece is looked for by its surroundings, nearest to where it was. What was
 * cut out and has changed meanwhile stays; what was put in is always put in, so that nobody's words are lost.
 */
export function placeText(draft: Draft, path: TreePath, patch: TextPatch): void {
  const current = treeAt(draft.top, path);
  if (typeof current !== "string") return;
  const from = patch.at - patch.before.length;
  const isThere = from >= 0 && current.startsWith(patch.before + patch.cut + patch.after, from);
  let text = current;
  // From the last to the first, so that the places of those to come stay right.
  for (const hunk of piecesOf(patch, isThere).toReversed()) {
    const place = isThere ? { at: patch.at + hunk.at, cut: hunk.cut.length } : findPlace(draft, text, patch, hunk);
    if (place.cut === 0 && hunk.put === "") continue;
    draft.splice(path, place.at, place.cut, hunk.put);
    text = text.slice(0, place.at) + hunk.put + text.slice(place.at + place.cut);
  }
}

function piecesOf({ before, cut, put }: TextPatch, isThere: boolean): readonly TextHunk[] {
  const seen = { text: before + cut, from: before.length };
  if (cut === "" || put === "") return [slideToWord(seen, { at: 0, cut, put })];
  let least = -before.length;
  const hunks = textHunks(cut, put).map((hunk) => {
    const slid = hunk.cut === "" || hunk.put === "" ? slideToWord(seen, hunk, least) : hunk;
    least = hunk.at + hunk.cut.length;
    return slid;
  });
  return isThere || hunks.length <= PIECES_MAX ? hunks : [{ at: 0, cut, put }];
}

/**
 * Where equal characters surround a change, two texts do not tell which of them are new: `the hen` may have become `the hot hen` by
 * `hot ` in front of a word or by `ot h` inside it. Of the equal changes the one that begins a word is meant, not before `least`.
 */
function slideToWord({ text, from }: { readonly text: string; readonly from: number }, hunk: TextHunk, least = -from): TextHunk {
  let at = hunk.at;
  let piece = hunk.cut + hunk.put;
  while (at > least) {
    const previous = text.charAt(from + at - 1);
    if (" \n\t".includes(previous)) break;
    if (previous !== piece.at(-1) || isHigh(previous.charCodeAt(0)) || isLow(previous.charCodeAt(0))) return hunk;
    piece = previous + piece.slice(0, -1);
    at -= 1;
  }
  return hunk.cut === "" ? { at, cut: "", put: piece } : { at, cut: piece, put: "" };
}

interface Place {
  readonly at: number;
  readonly cut: number;
}

function findPlace({ budget }: Draft, text: string, patch: TextPatch, { at, cut }: TextHunk): Place {
  const seen = patch.before + patch.cut + patch.after;
  const before = seen.slice(0, patch.before.length + at);
  const after = seen.slice(before.length + cut.length);
  const expected = patch.at + at;
  /** The place behind `head` where `head`, `middle` and `tail` stand in this order. */
  const find = (head: string, middle: string, tail: string): number | null => {
    const place = nearestPlace(text, head + middle + tail, expected - head.length, budget);
    return place === null ? null : place + head.length;
  };
  for (const size of CONTEXTS) {
    const found = find(endOf(before, size), cut, startOf(after, size));
    if (found !== null) return { at: found, cut: cut.length };
  }
  if (cut !== "") {
    const found = find(endOf(before, CONTEXT_LEAST), cut, "") ?? find("", cut, startOf(after, CONTEXT_LEAST));
    if (found !== null) return { at: found, cut: cut.length };
  }
  for (const size of CONTEXTS) {
    const [head, tail] = [endOf(before, size), startOf(after, size)];
    const found =
      (head.length < CONTEXT_LEAST ? null : find(head, "", "")) ?? (tail.length < CONTEXT_LEAST ? null : find("", "", tail));
    if (found !== null) return { at: found, cut: 0 };
  }
  // A few characters may stand anywhere, in the middle of others' words, too. That the text began or ended there says where.
  if (before.length < CONTEXT_LEAST && text.startsWith(before)) return { at: before.length, cut: 0 };
  if (after.length < CONTEXT_LEAST && text.endsWith(after)) return { at: text.length - after.length, cut: 0 };
  return { at: lineEnd(text, expected), cut: 0 };
}

/** At most so many units of the end, whole characters. */
function endOf(text: string, size: number): string {
  const end = text.slice(-size);
  return isLow(end.charCodeAt(0)) ? end.slice(1) : end;
}

function startOf(text: string, size: number): string {
  const start = text.slice(0, size);
  return isHigh(start.charCodeAt(start.length - 1)) ? start.slice(0, -1) : start;
}

/** The end of the line in which the place would be: a change without its surroundings stands apart from what others wrote. */
function lineEnd(text: string, place: number): number {
  const end = text.indexOf("\n", Math.max(place, 0));
  return end < 0 ? text.length : end;
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;
