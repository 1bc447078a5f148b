import type { Change } from "../commit/commit.ts";
import type { LogSlice, SnapshotChunk, SnapshotCursor } from "../replica/replica-storage.ts";
import type { BodyLimits } from "./batch/body-budget.ts";
import { decodeChanges, encodeChanges } from "./batch/changes-codec.ts";
import { decodeCommits, encodeCommits } from "./batch/commits-body.ts";
import { decodePage, encodePage } from "./batch/page-body.ts";
import type { WireValue } from "./cbor.ts";
import { deflate, inflate } from "./deflate.ts";
import { invalid, tooLarge } from "./invalid.ts";
import type { ProtocolLimits } from "./limits.ts";
import { KEY_BYTES_MAX, KEY_PARTS_MAX, MARK_BYTES, TENANT_BYTES_MAX } from "./limits.ts";
import type { WireType } from "./wire-type.ts";
import { asMap, bytes, count, list, nullable, optional, record, text, uuid } from "./wire-type.ts";

/** Shorter bodies than this hardly shrink. */
const DEFLATE_BYTES_MIN = 64;

const BODY = "[size in bytes, bytes: raw deflate unless they have that size]";

const bodyLimits = (limits: ProtocolLimits): BodyLimits => ({
  rowsMax: limits.frameRowsMax,
  cellsMax: limits.frameCellsMax,
  charactersMax: limits.frameCharactersMax,
  commitsMax: limits.frameCommitsMax,
});

/** `[size, bytes]`: deflated when that is shorter, as it is otherwise. */
function bodyToWire(body: Uint8Array, bytesMax: number): WireValue {
  if (body.length > bytesMax) throw tooLarge("bodyBytesMax", bytesMax);
  if (body.length >= DEFLATE_BYTES_MIN) {
    const deflated = deflate(body);
    if (deflated.length < body.length) return [body.length, deflated];
  }
  return [body.length, body];
}

/** The declared size is held against the limit before anything is inflated. */
function bodyFromWire(value: WireValue | undefined, path: string, bytesMax: number): Uint8Array {
  if (!Array.isArray(value) || value.length !== 2) throw invalid(path, BODY);
  const [size, data]: readonly WireValue[] = value;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0 || !(data instanceof Uint8Array))
    throw invalid(path, BODY);
  if (size > bytesMax) throw tooLarge("bodyBytesMax", bytesMax);
  if (data.length > size) throw invalid(path, BODY);
  return data.length === size ? data : inflate(data, size);
}

const tenant = text(TENANT_BYTES_MAX, 1);
const sliceHead = record<Omit<LogSlice, "commits">>({
  tenant,
  incarnation: uuid,
  after: count(),
  upTo: count(),
  head: count(),
  mark: optional(bytes(MARK_BYTES)),
});

/** Part of a log: its bounds as fields, its commits as one columnar body. */
export const logSlice: WireType<LogSlice> = {
  expected: `${sliceHead.expected} with commits: commits body ${BODY}`,
  toWire: (slice, path, limits) => ({
    ...asMap(sliceHead.toWire(slice, path, limits), path),
    commits: bodyToWire(encodeCommits(slice.tenant, slice.commits, bodyLimits(limits)), limits.bodyBytesMax),
  }),
  fromWire: (value, path, limits) => {
    const head = sliceHead.fromWire(value, path, limits);
    if (head.upTo < head.after) throw invalid(path, "upTo not below after");
    const body = bodyFromWire(asMap(value, path)["commits"], `${path}.commits`, limits.bodyBytesMax);
    return { ...head, commits: decodeCommits(head.tenant, body, bodyLimits(limits)) };
  },
};

export const snapshotCursor = record<SnapshotCursor>({
  tableIndex: count(),
  afterKey: nullable(list(text(KEY_BYTES_MAX), KEY_PARTS_MAX, "keyPartsMax")),
});

const nextCursor = nullable(snapshotCursor);

/** One page of a snapshot: its rows and their stamps as one columnar body. */
export const snapshotChunk: WireType<SnapshotChunk> = {
  expected: `map {tenant: ${tenant.expected}, next: ${nextCursor.expected}, rows: page body ${BODY}}`,
  toWire: (chunk, path, limits) => ({
    tenant: tenant.toWire(chunk.tenant, `${path}.tenant`, limits),
    next: nextCursor.toWire(chunk.next, `${path}.next`, limits),
    rows: bodyToWire(encodePage(chunk, bodyLimits(limits)), limits.bodyBytesMax),
  }),
  fromWire: (value, path, limits) => {
    const map = asMap(value, path);
    const { change, stamps } = decodePage(bodyFromWire(map["rows"], `${path}.rows`, limits.bodyBytesMax), bodyLimits(limits));
    return {
      tenant: tenant.fromWire(map["tenant"], `${path}.tenant`, limits),
      change,
      stamps,
      next: nextCursor.fromWire(map["next"], `${path}.next`, limits),
    };
  },
};

/** A few changes beside something else. */
export const changeList: WireType<readonly Change[]> = {
  expected: `changes body ${BODY}`,
  toWire: (changes, _path, limits) => bodyToWire(encodeChanges(changes, bodyLimits(limits)), limits.bodyBytesMax),
  fromWire: (value, path, limits) => decodeChanges(bodyFromWire(value, path, limits.bodyBytesMax), bodyLimits(limits)),
};
