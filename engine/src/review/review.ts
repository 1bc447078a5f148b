import type { CellText } from "../commit/commit.ts";
import type { Receipt } from "../replica/replica.ts";
import type { SqlSession } from "../store/database.ts";

/** One of the values of an open review. */
export interface ReviewedValue {
  /** In Postgres text form, or null. */
  readonly value: CellText;
  readonly author: string | null;
  readonly tier: string | null;
  readonly node: string;
  /** Of the commit that wrote it. */
  readonly stamp: bigint;
}

/** A cell in which several people wrote different values without knowing of each other, and nobody has decided yet. */
export interface OpenReview {
  readonly tenant: string;
  /** Names the cell with the values that are open now: when one comes or goes, the review has another id. */
  readonly id: string;
  readonly table: string;
  /** The primary key without the tenant, in Postgres text form. */
  readonly key: readonly string[];
  readonly column: string;
  /** What the column holds until somebody decides. */
  readonly shown: CellText;
  /** In the order of their stamps. */
  readonly values: readonly ReviewedValue[];
}

export interface ReviewFilter {
  readonly tenant?: string;
  readonly table?: string;
  /** 100 unless told, at most 1,000. */
  readonly limit?: number;
}

export interface ReviewDecision {
  /** One of the values, or another one; in Postgres text form, or null. */
  readonly value: CellText;
  /** Who decides. */
  readonly author: string;
  /** Runs in the transaction of the decision, for example to write an audit entry. */
  readonly also?: (tx: SqlSession, review: OpenReview) => Promise<void>;
}

/** What waits for a person here, and the person's decision. */
export interface Reviews {
  /** By table, key and column. Throws `request-invalid` for a limit out of bounds. */
  list(filter?: ReviewFilter): Promise<readonly OpenReview[]>;
  /**
   * Writes the value as an ordinary commit that replaces every value of the review, everywhere; a value that somebody else wrote
   * meanwhile is not among them and opens a new review. Throws `review-changed` when the values are no longer those of the id, or
   * somebody has decided, and `write-refused` where this tier may not write the column.
   */
  decide(review: { readonly tenant: string; readonly id: string }, decision: ReviewDecision): Promise<Receipt>;
}
