import type { Column, ColumnRule, ColumnRules } from "@hayloft/engine";
import { column, numeric, text, timestamptz, uuid } from "@hayloft/engine";

/** The longest id that a device, a person or a registry may choose. */
export const idLengthMax = 128;

const idCondition = `char_length({}) between 1 and ${idLengthMax}`;

/** An id that is made outside our software: by a device, a registry or another system. */
export const outsideId = (): Column<string, false, false> => text().check(idCondition);

/** The tenant of a row. */
export const tenantId = outsideId;

/** The id of a row that our software makes: uuid v7, or v8 where it is derived from what the row says. */
export const ownId = (): Column<string, false, false> => uuid().check("substr({}::text, 15, 1) in ('7', '8')");

/** The id of another row that has a natural key: uuid v8. */
export const naturalRef = (): Column<string, false, false> => uuid().check("substr({}::text, 15, 1) = '8'");

/**
 * The id of a row whose natural key is its identity: uuid v8. A trigger derives it from the key, whatever an insert says, so
 * that an insert may leave it out.
 */
export const naturalId = (): Column<string, false, true> => naturalRef().default("'00000000-0000-8000-8000-000000000000'");

/** A short name that people read. */
export const nameText = (): Column<string, false, false> => text().check("char_length({}) between 1 and 200");

/** Free text by people. */
export const freeText = (): Column<string, false, false> => text().check("char_length({}) <= 10000");

/** Created when the row was made, at the node that made it. */
export const createdAt = (): Column<Date, false, true> => timestamptz().default("now()");

/** Changed by whoever updates the row. */
export const updatedAt = createdAt;

// One numeric scale per quantity, on every tier: a value that is stored here is never rounded there.
export const kg = (): Column<string, false, false> => numeric(12, 3);
export const gram = (): Column<string, false, false> => numeric(10, 3);
export const pct = (): Column<string, false, false> => numeric(7, 4);
export const share = (): Column<string, false, false> => numeric(5, 4).check("{} between 0 and 1");
export const ml = (): Column<string, false, false> => numeric(8, 2);
export const ppm = (): Column<string, false, false> => numeric(8, 2);
export const celsius = (): Column<string, false, false> => numeric(5, 2);
/** Feed conversion ratio: kilograms of feed for a kilogram of growth. */
export const fcr = (): Column<string, false, false> => numeric(10, 4);
/** A reading of any metric. NaN has no place in an aggregate. */
export const measured = (): Column<string, false, false> => numeric(12, 4).check("{} <> 'NaN'");

/** The columns that correct an append-only record: it is marked as void and never deleted. */
export const voidColumns = () => ({
  voided_at: timestamptz().nullable(),
  voided_by: uuid().nullable(),
  void_reason: freeText().nullable(),
});

/** Several people write on in a note, each on their own device: what all of them wrote stays. */
export const note = (): ColumnRule => column.document({ kind: "text", bytesMax: 32_768 });

/** A note that several people write on. Its length is the document's limit, which a merge may pass and a CHECK must not stop. */
export const noteText = (): Column<string, true, false> => text().nullable();

/** Void and notes are the only columns of an append-only record that change after it was made. */
export const correctable: ColumnRules = {
  voided_at: column.setOnce(),
  voided_by: column.setOnce(),
  void_reason: column.setOnce(),
  notes: note(),
};

/** A void needs its time and its reason together. */
export const voidCheck = { void_is_whole: "(voided_at is null) = (void_reason is null)" };

/** A rule object for several columns at once. */
export const sameRule = (rule: ColumnRule, ...names: readonly string[]): ColumnRules =>
  Object.fromEntries(names.map((name) => [name, rule]));
