import type { Change, Commit } from "../commit/commit.ts";
import { columnOf, withColumn, withoutColumn } from "../merge/row-change.ts";

/**
 * Marks a change as an offer: rows as its sender has them, for a parent that lost them, with `$stamps` where rules need them. It is no
 * edit: the receiver joins it with what it has.
 */
const OFFER_COLUMN = "$offer";

export const asOffer = (change: Change): Change =>
  withColumn(
    withoutOffer(change),
    OFFER_COLUMN,
    Array.from({ length: change.rowCount }, () => "t"),
  );

/** SQL that is true for a row of `hayloft.change` that is an offer. */
export const isOfferedSql = (change: string): string => `'${OFFER_COLUMN}' = any(string_to_array(${change}.columns, ','))`;

export const isOffered = (change: Change): boolean => columnOf(change, OFFER_COLUMN) !== undefined;
export const withoutOffer = (change: Change): Change => withoutColumn(change, OFFER_COLUMN);

/** True for a commit that holds nothing but offers. */
export const isOffer = ({ changes }: Commit): boolean => changes.length > 0 && changes.every(isOffered);
