/** How concurrent values of one column end. */
export type ColumnRule =
  | { readonly kind: "lastWriterWins" }
  /** Only that tier may change the column. */
  | { readonly kind: "singleWriter"; readonly tier: string }
  /** The value only moves one way: the greatest, the least, true once true, or up a stated order. */
  | { readonly kind: "monotone"; readonly order: "max" | "min" | "or" | Lattice }
  /** Null until it is set; the first value (by stamp) stays. */
  | { readonly kind: "setOnce" }
  /** Concurrent differences add up: what a write did to the number is merged, not the number. */
  | { readonly kind: "counter" }
  /** Concurrent edits inside a text or a JSON value merge. `bytesMax` is what one tier may write of it. */
  | { readonly kind: "document"; readonly format: "text" | "json"; readonly bytesMax: number }
  /** A set of texts in a jsonb array: concurrent additions are all kept, a removal takes away what its writer had seen. */
  | { readonly kind: "setUnion" }
  /** Concurrent values are all kept until a person decides; until then `show` says which one the column holds. */
  | { readonly kind: "review"; readonly show: Shown }
  /** Of concurrent values a function of the application makes one; a later write replaces what its writer had seen. */
  | { readonly kind: "custom"; readonly rule: CustomRule }
  /** Never replicated. */
  | { readonly kind: "derived" };

/** Which of several versions shows: the first or last written, the least or greatest value, or the last that a tier wrote. */
export type Shown = "first" | "last" | "min" | "max" | { readonly tier: string };

/** One of several values that were written without knowing of each other. */
export interface ConcurrentValue {
  /** In Postgres text form, or null. */
  readonly value: string | null;
  readonly stamp: bigint;
  readonly node: string;
  readonly tier: string | null;
  readonly author: string | null;
}

/**
 * An application's own rule. It stands in the declaration itself, so that there is no name that a replica may not know; `name`
 * and `version` are part of the catalog's hash, so raise the version when `resolve` changes what it gives.
 */
export interface CustomRule {
  readonly name: string;
  readonly version: number;
  /**
   * The one value for two or more concurrent ones, given in the order of their stamps. Pure: no clock, no randomness, no state, the
   * same on every tier; it may give a value that nobody wrote. Where it throws or gives no value of the column the last value shows.
   * Hold it to that with `checkRuleLaws` of `@hayloft/engine/testing`.
   */
  readonly resolve: (values: readonly ConcurrentValue[]) => string | null;
}

/** Rules that merge operations instead of values. */
export const MEMORY_KINDS = ["counter", "setUnion", "review", "custom", "document"] as const;
export type MemoryColumnRule = Extract<ColumnRule, { readonly kind: (typeof MEMORY_KINDS)[number] }>;

const memoryKinds: ReadonlySet<string> = new Set(MEMORY_KINDS);

/** True for a rule that merges operations: what a write did is captured beside the value that came out of it. */
export const hasMemory = (rule: ColumnRule): rule is MemoryColumnRule => memoryKinds.has(rule.kind);

/**
 * A partial order of text values: for each value the values that may follow it directly. The join of two values is the
 * least value that both lead to; the lint refuses an order in which two values have no single join.
 */
export interface Lattice {
  readonly lattice: Readonly<Record<string, readonly string[]>>;
}

export type ColumnRules = Readonly<Record<string, ColumnRule>>;

/** How concurrent changes of one table end. `columns` overrides the rule for some columns. */
export type RowRule =
  | { readonly kind: "appendOnly"; readonly columns: ColumnRules }
  | { readonly kind: "singleWriter"; readonly tier: string; readonly columns: ColumnRules }
  | { readonly kind: "lastWriterWins"; readonly columns: ColumnRules }
  /** The row with the greatest value in `by` wins whole, its other columns with it; ties by stamp. */
  | { readonly kind: "monotoneRow"; readonly by: string; readonly columns: ColumnRules }
  /** Rows with equal `key` are one row: the `id` column is derived from the key. Other columns follow `rest`. */
  | { readonly kind: "naturalKey"; readonly key: readonly string[]; readonly rest: ColumnRule; readonly columns: ColumnRules }
  /** Recomputed where it is needed, never replicated. */
  | { readonly kind: "derived"; readonly columns: ColumnRules }
  /** Never leaves the node. */
  | { readonly kind: "local"; readonly columns: ColumnRules };

/** Bytes of a document unless its declaration says otherwise. */
const DOCUMENT_BYTES = 65_536;

interface Overrides {
  readonly columns?: ColumnRules;
}

/** Inserted once under a stable id. The same id and content again is nothing; other content is refused. */
export const appendOnly = (overrides: Overrides = {}): RowRule => ({ kind: "appendOnly", columns: overrides.columns ?? {} });

/** Only that tier writes the table; others are refused and get the true row back. */
export const singleWriter = (tier: string, overrides: Overrides = {}): RowRule => ({
  kind: "singleWriter",
  tier,
  columns: overrides.columns ?? {},
});

/** Each column holds the value with the greatest stamp; ties by node id. */
export const lastWriterWins = (overrides: Overrides = {}): RowRule => ({
  kind: "lastWriterWins",
  columns: overrides.columns ?? {},
});

/** The row whose `by` column is greatest wins whole (its companions come with it); an older one changes nothing. */
export const monotoneRow = (by: string, overrides: Overrides = {}): RowRule => ({
  kind: "monotoneRow",
  by,
  columns: overrides.columns ?? {},
});

/** Two rows with the same natural key are one row. `rest` (by default last writer wins) rules the other columns. */
export const naturalKey = (key: readonly string[], options: Overrides & { readonly rest?: ColumnRule } = {}): RowRule => ({
  kind: "naturalKey",
  key,
  rest: options.rest ?? { kind: "lastWriterWins" },
  columns: options.columns ?? {},
});

export const derived = (): RowRule => ({ kind: "derived", columns: {} });
export const local = (): RowRule => ({ kind: "local", columns: {} });

/** Rules of single columns, for `columns` and `rest`. */
export const column = {
  lastWriterWins: (): ColumnRule => ({ kind: "lastWriterWins" }),
  singleWriter: (tier: string): ColumnRule => ({ kind: "singleWriter", tier }),
  max: (): ColumnRule => ({ kind: "monotone", order: "max" }),
  min: (): ColumnRule => ({ kind: "monotone", order: "min" }),
  or: (): ColumnRule => ({ kind: "monotone", order: "or" }),
  /** `successors` names for each value the values that may directly follow. */
  lattice: (successors: Lattice["lattice"]): ColumnRule => ({ kind: "monotone", order: { lattice: successors } }),
  setOnce: (): ColumnRule => ({ kind: "setOnce" }),
  /** An integer, bigint or numeric that starts at 0. Plain SQL counts: `set on_hand = on_hand - 5`. */
  counter: (): ColumnRule => ({ kind: "counter" }),
  /**
   * A text, or a JSON value, in which concurrent edits merge. The column holds the readable value, and plain SQL writes it; what
   * each write changed is what travels. `bytesMax` is 64 KiB unless told.
   */
  document: ({
    kind,
    bytesMax = DOCUMENT_BYTES,
  }: {
    readonly kind: "text" | "json";
    readonly bytesMax?: number;
  }): ColumnRule => ({
    kind: "document",
    format: kind,
    bytesMax,
  }),
  /** A jsonb array of texts, NOT NULL. Writers may give it in any order; it is stored sorted, each text once. */
  setUnion: (): ColumnRule => ({ kind: "setUnion" }),
  /** Both values are kept and a person decides. `hayloft.open_review` lists what is open. */
  review: (options: { readonly show: Shown }): ColumnRule => ({ kind: "review", show: options.show }),
  custom: (rule: CustomRule): ColumnRule => ({ kind: "custom", rule }),
  derived: (): ColumnRule => ({ kind: "derived" }),
};
