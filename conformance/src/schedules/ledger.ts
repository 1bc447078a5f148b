/** What was written to one cell, by a rule that keeps values: each value is unique, and says which ones its writer had seen. */
interface CellLedger {
  readonly written: Set<string>;
  readonly replaced: Set<string>;
}

/**
 * What people did during a schedule, noted beside the engine and knowing nothing of it: what has to be there at the end
 * follows from it alone.
 */
export class Ledger {
  /** Sums of counters, by cell. */
  readonly sums = new Map<string, number>();
  /** Elements of sets that were added and not taken away, by cell. */
  readonly sets = new Map<string, Set<string>>();
  /** Words that were put into texts, and keys into JSON documents, by cell. */
  readonly words = new Map<string, Set<string>>();
  /** Values of cells that people decide, and of those where the last one wins. */
  readonly reviews = new Map<string, CellLedger>();
  readonly last = new Map<string, CellLedger>();
  /** All values of cells that only move one way, by cell. */
  readonly moved = new Map<string, Set<string>>();
  /** Rows of append-only tables with their content, by table and id. */
  readonly records = new Map<string, string>();
  readonly rows = new Map<string, Set<string>>();

  #pending: (() => void)[] = [];

  /** What follows counts only when `commit` is called: a transaction may be tried again. */
  begin(): void {
    this.#pending = [];
  }

  commit(): void {
    for (const note of this.#pending.splice(0)) note();
  }

  add(cell: string, amount: number): void {
    this.#pending.push(() => this.sums.set(cell, (this.sums.get(cell) ?? 0) + amount));
  }

  label(cell: string, change: "add" | "delete", element: string): void {
    this.#pending.push(() => {
      const found = this.sets.get(cell) ?? new Set<string>();
      this.sets.set(cell, found);
      found[change](element);
    });
  }

  put(kind: "words" | "moved", cell: string, value: string): void {
    this.#pending.push(() => this[kind].set(cell, (this[kind].get(cell) ?? new Set<string>()).add(value)));
  }

  write(kind: "reviews" | "last", cell: string, value: string, seen: readonly string[]): void {
    this.#pending.push(() => {
      const found = this[kind].get(cell) ?? { written: new Set<string>(), replaced: new Set<string>() };
      this[kind].set(cell, found);
      found.written.add(value);
      for (const other of seen) if (other !== value) found.replaced.add(other);
    });
  }

  record(id: string, content: string): void {
    this.#pending.push(() => this.records.set(id, content));
  }

  touch(table: string, key: string): void {
    this.#pending.push(() => this.rows.set(table, (this.rows.get(table) ?? new Set<string>()).add(key)));
  }
}

/** Names a cell in the ledger. */
export const cellOf = (table: string, key: string, column: string): string => `${table} ${key} ${column}`;

/** The values that nobody has replaced who had seen them. */
export const surviving = ({ written, replaced }: CellLedger): readonly string[] =>
  [...written].filter((value) => !replaced.has(value)).toSorted();
