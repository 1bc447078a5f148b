/** Steps that the searches of one fold may take. Counted, not timed, so that every replica gives up at the same place. */
export interface SearchBudget {
  left: number;
}

/**
 * Of the places where `wanted` stands in a text, the one nearest to `expected`; of two equally near the first. Null when there is none, or
 * the budget is used up. Takes time in proportion to the lengths, whatever the texts are (Knuth, Morris and Pratt).
 */
export function nearestPlace(text: string, wanted: string, expected: number, budget: SearchBudget): number | null {
  if (wanted === "" || wanted.length > text.length || budget.left <= 0) return null;
  budget.left -= text.length + wanted.length;
  const borders = bordersOf(wanted);
  let matched = 0;
  let best: number | null = null;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    while (matched > 0 && wanted.charCodeAt(matched) !== unit) matched = borders[matched - 1] ?? 0;
    if (wanted.charCodeAt(matched) === unit) matched += 1;
    if (matched < wanted.length) continue;
    const place = index - wanted.length + 1;
    if (best !== null && Math.abs(place - expected) >= Math.abs(best - expected)) return best;
    best = place;
    matched = borders[matched - 1] ?? 0;
  }
  return best;
}

/** For each prefix the length of its longest border: a part that it both begins and ends with. */
function bordersOf(wanted: string): Int32Array {
  const borders = new Int32Array(wanted.length);
  let length = 0;
  for (let index = 1; index < wanted.length; index += 1) {
    while (length > 0 && wanted.charCodeAt(index) !== wanted.charCodeAt(length)) length = borders[length - 1] ?? 0;
    if (wanted.charCodeAt(index) === wanted.charCodeAt(length)) length += 1;
    borders[index] = length;
  }
  return borders;
}
