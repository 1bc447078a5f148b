import { tooLarge } from "../invalid.ts";

/** What one body may unfold to. */
export interface BodyLimits {
  readonly rowsMax: number;
  readonly cellsMax: number;
  readonly charactersMax: number;
  readonly commitsMax: number;
}

/**
 * Counts what a body unfolds to, in both directions: a sender never makes what a receiver refuses, and a receiver stops
 * before it allocates. Each method throws `frame-too-large` when its limit is passed.
 */
export class BodyBudget {
  readonly limits: BodyLimits;
  #rows = 0;
  #cells = 0;
  #characters = 0;

  constructor(limits: BodyLimits) {
    this.limits = limits;
  }

  /** Rows of `columns` cells each. */
  addRows(count: number, columns: number): void {
    this.#rows += count;
    if (this.#rows > this.limits.rowsMax) throw tooLarge("rowsMax", this.limits.rowsMax);
    this.#cells += count * columns;
    if (this.#cells > this.limits.cellsMax) throw tooLarge("cellsMax", this.limits.cellsMax);
  }

  /** Characters of cells. A text that many cells share counts once for each: whoever prints the rows prints it as often. */
  addCharacters(count: number): void {
    this.#characters += count;
    if (this.#characters > this.limits.charactersMax) throw tooLarge("charactersMax", this.limits.charactersMax);
  }
}

/** Characters (UTF-16 units) of all values together. */
export function charactersOf(column: readonly (string | null)[]): number {
  let sum = 0;
  for (let index = 0; index < column.length; index += 1) sum += column[index]?.length ?? 0;
  return sum;
}
