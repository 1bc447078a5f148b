/** Items `from` to `to` of the left sequence become items `freshFrom` to `freshTo` of the right one. */
export interface Hunk {
  readonly from: number;
  readonly to: number;
  readonly freshFrom: number;
  readonly freshTo: number;
}

/**
 * The hunks that turn one sequence into the other, in order, by Myers' algorithm (the fewest deletions and insertions); one hunk for
 * everything between the common ends when it would take more than `editsMax`. Every replica has to find the same
 * hunks, so this is ours and does not hang on the version of a library.
 */
export function diffSequences(left: readonly string[], right: readonly string[], editsMax: number): readonly Hunk[] {
  const shorter = Math.min(left.length, right.length);
  let start = 0;
  while (start < shorter && left[start] === right[start]) start += 1;
  let end = 0;
  while (end < shorter - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  const whole = { from: start, to: left.length - end, freshFrom: start, freshTo: right.length - end };
  if (whole.from === whole.to && whole.freshFrom === whole.freshTo) return [];
  if (whole.from === whole.to || whole.freshFrom === whole.freshTo) return [whole];
  const trace = furthestReaching(left, right, whole, editsMax);
  return trace === null ? [whole] : backtrack(trace, whole);
}

/** Per number of edits, the furthest place on each diagonal; the last one reaches the end. Null above `editsMax`. */
function furthestReaching(
  left: readonly string[],
  right: readonly string[],
  { from, to, freshFrom, freshTo }: Hunk,
  editsMax: number,
): readonly Int32Array[] | null {
  const width = to - from;
  const height = freshTo - freshFrom;
  const trace: Int32Array[] = [];
  const most = Math.min(editsMax, width + height);
  let best = new Int32Array(2 * most + 3);
  const middle = most + 1;
  for (let edits = 0; edits <= most; edits += 1) {
    trace.push(best.slice());
    const next = best.slice();
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = stepsDown(best, middle, diagonal, edits) ? at(best, middle + diagonal + 1) : at(best, middle + diagonal - 1) + 1;
      while (x < width && x - diagonal < height && left[from + x] === right[freshFrom + x - diagonal]) x += 1;
      next[middle + diagonal] = x;
      if (x >= width && x - diagonal >= height) return [...trace, next];
    }
    best = next;
  }
  return null;
}

const at = (list: Int32Array, index: number): number => list[index] ?? 0;

/** True when the furthest path to a diagonal ends with an insertion. */
const stepsDown = (best: Int32Array, middle: number, diagonal: number, edits: number): boolean =>
  diagonal === -edits || (diagonal !== edits && at(best, middle + diagonal - 1) < at(best, middle + diagonal + 1));

function backtrack(trace: readonly Int32Array[], { from, to, freshFrom, freshTo }: Hunk): readonly Hunk[] {
  const middle = ((trace[0]?.length ?? 3) - 3) / 2 + 1;
  const hunks: Hunk[] = [];
  let x = to - from;
  let y = freshTo - freshFrom;
  for (let edits = trace.length - 2; edits > 0; edits -= 1) {
    const best = trace[edits] ?? new Int32Array(0);
    const isInsert = stepsDown(best, middle, x - y, edits);
    const beforeX = at(best, middle + x - y + (isInsert ? 1 : -1));
    const beforeY = beforeX - (x - y + (isInsert ? 1 : -1));
    const step = isInsert
      ? { from: from + beforeX, to: from + beforeX, freshFrom: freshFrom + beforeY, freshTo: freshFrom + beforeY + 1 }
      : { from: from + beforeX, to: from + beforeX + 1, freshFrom: freshFrom + beforeY, freshTo: freshFrom + beforeY };
    pushFront(hunks, step);
    x = beforeX;
    y = beforeY;
  }
  return hunks.toReversed();
}

/** `hunks` is in reverse order; a step that touches the one found before it becomes part of it. */
function pushFront(hunks: Hunk[], step: Hunk): void {
  const later = hunks.at(-1);
  if (later !== undefined && later.from === step.to && later.freshFrom === step.freshTo) {
    hunks[hunks.length - 1] = { ...later, from: step.from, freshFrom: step.freshFrom };
  } else hunks.push(step);
}
