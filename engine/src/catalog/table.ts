import type { Column } from "./column.ts";
import type { RowRule } from "./rule.ts";

export type Columns = Readonly<Record<string, Column>>;

/**
 * Which way changes of a table travel. `up` and `down`: as streams, and in snapshots both reach every tier that retains
 * the table (a replaced edge gets its own history back from above). `both`: every tier may write. `top`: only on the tier
 * without a parent. `local`: never leaves the node.
 */
export type Flow = "up" | "down" | "both" | "top" | "local";

/** How long a tier keeps a row. A tier that `retain` does not name holds no rows of the table. */
export type Retention =
  | { readonly kind: "forever" }
  | { readonly kind: "days"; readonly days: number; readonly column: string }
  /** Rows of the newest `keep` values of `column`, for example of the last three batches. */
  | { readonly kind: "generations"; readonly column: string; readonly keep: number };

export const forever: Retention = { kind: "forever" };
export const days = (count: number, column: string): Retention => ({ kind: "days", days: count, column });
export const generations = (column: string, keep: number): Retention => ({ kind: "generations", column, keep });

export interface Unique {
  readonly columns: readonly string[];
  /** Treat nulls as equal. Needed when a column of the key is nullable. */
  readonly nullsNotDistinct?: boolean;
  /** Condition of a partial unique index. */
  readonly where?: string;
}

/**
 * What becomes of a row whose parent row was deleted before it came: `reject` refuses it, `revive` brings the parent row back
 * with the values that it had, `detach` writes the row with the reference set to null.
 */
export type ParentDeleted = "reject" | "revive" | "detach";

/**
 * How a delete and a concurrent write of the same row end. `later`: the one with the later stamp. `deleteWins`: the row stays deleted
 * until somebody inserts it again. `updateWins`: a delete takes away what its writer had seen, and any other write keeps the row.
 */
export type DeleteRule = "later" | "deleteWins" | "updateWins";

/** A foreign key to another table's primary key. The first column is the tenant on both sides. */
export interface Reference {
  readonly columns: readonly string[];
  readonly table: string;
  /** Default: `reject`. A row whose parent row was never here waits for it in any case. */
  readonly onParentDeleted?: ParentDeleted;
}

/** Rows of any table with the same group and the same values are one unit: when one is held, those that come later are, too. */
export interface HoldTogether {
  readonly group: string;
  readonly columns: readonly string[];
}

/** How long the loss journal keeps what lost in a table, and how many entries per tenant; beyond it the oldest go. */
export interface JournalRetention {
  readonly days: number;
  readonly entriesMax: number;
}

export const defaultJournal: JournalRetention = { days: 90, entriesMax: 100_000 };

export interface TableOptions<Cols extends Columns> {
  readonly columns: Cols;
  /** What the table holds, one sentence for the generated page. */
  readonly about: string;
  /** The module the table belongs to, for grants and the generated page. */
  readonly group: string;
  readonly category: string;
  /** Default: (`tenant_id`, `id`). Starts with the tenant column. */
  readonly primaryKey?: readonly (keyof Cols & string)[];
  readonly unique?: readonly Unique[];
  /** Column lists, each item a column name with an optional ` desc`. */
  readonly indexes?: readonly (readonly string[])[];
  readonly references?: readonly Reference[];
  /** Named CHECK constraints over several columns. */
  readonly checks?: Readonly<Record<string, string>>;
  readonly partition?: { readonly by: keyof Cols & string; readonly every: "month" };
  /** The tenant column and, per scope dimension of the catalog, the column that holds its id. */
  readonly scope: { readonly tenant: keyof Cols & string } & Readonly<Record<string, keyof Cols & string>>;
  /** Tiers whose replicas may author changes. */
  readonly writers: readonly string[];
  readonly flow: Flow;
  readonly rule: RowRule;
  /** How a delete and an update end that did not know of each other. Default `later`. */
  readonly deletes?: DeleteRule;
  readonly retain: Readonly<Record<string, Retention>>;
  /** How urgent its rows are, 0 most. Default 1. Recorded with each commit; the sender keeps the order of the log (decision 0038). */
  readonly lane?: 0 | 1 | 2 | 3;
  /** Columns that do not travel to a tier, for example `{ tablet: ["location"] }`; they must be nullable or defaulted. */
  readonly hidden?: Readonly<Record<string, readonly (keyof Cols & string)[]>>;
  /** The unit that a row belongs to when a commit is held. A delete belongs to it only when the key or scope has the columns. */
  readonly holdTogether?: { readonly group: string; readonly columns: readonly (keyof Cols & string)[] };
  /** False: rows go up and never come down again, not even in the snapshot of a replaced node. Default true. */
  readonly returns?: boolean;
  /** What the loss journal keeps; default 90 days and 100,000 entries. */
  readonly journal?: Partial<JournalRetention>;
}

/** A declared table, normalised: every optional part has its value. */
export interface Table<Name extends string = string, Cols extends Columns = Columns> {
  readonly name: Name;
  readonly columns: Cols;
  readonly about: string;
  readonly group: string;
  readonly category: string;
  readonly primaryKey: readonly string[];
  readonly unique: readonly Unique[];
  readonly indexes: readonly (readonly string[])[];
  readonly references: readonly Reference[];
  readonly checks: Readonly<Record<string, string>>;
  readonly partition: { readonly by: string; readonly every: "month" } | null;
  readonly scope: { readonly tenant: string } & Readonly<Record<string, string>>;
  readonly writers: readonly string[];
  readonly flow: Flow;
  readonly rule: RowRule;
  readonly deletes: DeleteRule;
  readonly retain: Readonly<Record<string, Retention>>;
  readonly lane: 0 | 1 | 2 | 3;
  readonly hidden: Readonly<Record<string, readonly string[]>>;
  readonly holdTogether: HoldTogether | null;
  readonly returns: boolean;
  readonly journal: JournalRetention;
}

/** Declares a table. Everything else (DDL, triggers, row types, routing, merging, retention) follows from it. */
export function table<const Name extends string, const Cols extends Columns>(
  name: Name,
  options: TableOptions<Cols>,
): Table<Name, Cols> {
  return {
    ...options,
    name,
    primaryKey: options.primaryKey ?? ["tenant_id", "id"],
    unique: options.unique ?? [],
    indexes: options.indexes ?? [],
    references: options.references ?? [],
    checks: options.checks ?? {},
    partition: options.partition ?? null,
    deletes: options.deletes ?? "later",
    lane: options.lane ?? 1,
    hidden: options.hidden ?? {},
    journal: { ...defaultJournal, ...options.journal },
    holdTogether: options.holdTogether ?? null,
    returns: options.returns ?? true,
  };
}
