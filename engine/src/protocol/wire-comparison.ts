import type {
  KeptRows,
  KeyRange,
  RangeAnswer,
  RangeDigest,
  RangeQuestion,
  RepairAnswer,
  RepairRequest,
  RowAnswer,
  RowQuestion,
} from "../digest/comparison.ts";
import { COMPARED_ROWS_MAX, DIGEST_BYTES, KEPT_VALUES_MAX, RANGES_MAX } from "../digest/comparison.ts";
import { KEY_BYTES_MAX, KEY_PARTS_MAX, NAME_BYTES_MAX, TENANT_BYTES_MAX } from "./limits.ts";
import { changeList } from "./wire-body.ts";
import type { WireType } from "./wire-type.ts";
import { byteString, bytes, count, list, nullable, record, text } from "./wire-type.ts";

const tenant = text(TENANT_BYTES_MAX, 1);
const table = text(NAME_BYTES_MAX, 1);
const key = nullable(list(text(KEY_BYTES_MAX), KEY_PARTS_MAX, "keyPartsMax"));
const rowKey = text(KEY_BYTES_MAX);

const keptOnWire = nullable(
  record<{ readonly from: string | null; readonly values: readonly string[] | null }>({
    from: nullable(text(KEY_BYTES_MAX)),
    values: nullable(list(text(KEY_BYTES_MAX), KEPT_VALUES_MAX, "keptValuesMax")),
  }),
);

/** A map with both fields, of which one is null. */
const kept: WireType<KeptRows> = {
  expected: keptOnWire.expected,
  toWire: (value, path, limits) =>
    keptOnWire.toWire(value === null ? null : { from: null, values: null, ...value }, path, limits),
  fromWire: (value, path, limits) => {
    const found = keptOnWire.fromWire(value, path, limits);
    if (found === null) return null;
    return found.from === null ? { values: found.values ?? [] } : { from: found.from };
  },
};

const compared = { tenant, table, kept };
const keyRange = record<KeyRange>({ after: key, to: key });

export const rangeQuestion = record<RangeQuestion>({
  ...compared,
  ranges: list(record<RangeDigest>({ after: key, to: key, rows: count(), digest: bytes(DIGEST_BYTES) }), RANGES_MAX, "rangesMax"),
});

export const rangeAnswer = record<RangeAnswer>({ differing: list(count(RANGES_MAX - 1), RANGES_MAX, "rangesMax") });

export const rowQuestion = record<RowQuestion>({
  ...compared,
  range: keyRange,
  received: count(),
  keys: list(rowKey, COMPARED_ROWS_MAX, "comparedRowsMax"),
  digests: byteString(COMPARED_ROWS_MAX * DIGEST_BYTES),
});

export const rowAnswer = record<RowAnswer>({ received: count(), left: count(), rows: changeList, healed: count() });

export const repairRequest = record<RepairRequest>({ tenant, received: count(), rows: changeList });

export const repairAnswer = record<RepairAnswer>({ healed: count(), refused: count() });
