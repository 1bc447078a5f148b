/**
 * Bounds of the protocol, the same in both directions. A sender stays within them; a receiver refuses what is above them
 * before it allocates for it. Going above one of the byte or count limits is `frame-too-large`, anything else
 * `frame-invalid`; both close the session (close codes in `conformance/PROTOCOL.md`).
 */
export interface ProtocolLimits {
  /** Bytes of one frame on the wire. Also the WebSocket's `maxPayload`, so that a larger one is never buffered (1009). */
  readonly frameBytesMax: number;
  /** Bytes of one body after inflating. Inflating stops there, whatever the body declares. */
  readonly bodyBytesMax: number;
  /** Rows in one frame's body. */
  readonly frameRowsMax: number;
  /** Cells (rows × columns) in one frame's body: bounds what a run of equal values can unfold to. */
  readonly frameCellsMax: number;
  /** Characters of all cells in one frame's body, counted as often as they occur. */
  readonly frameCharactersMax: number;
  /** Commits in one `commits` frame. */
  readonly frameCommitsMax: number;
  /** Outcomes in one acknowledgement. A receiver acknowledges in smaller steps rather than go above it. */
  readonly ackOutcomesMax: number;
  /** Parts of one commit. The writer's own capture refuses larger transactions with `commit-too-large`. */
  readonly commitPartsMax: number;
  /** Bytes of all parts of one commit together, as a receiver stores them. */
  readonly commitBytesMax: number;
  /** Rows of all parts of one commit together. */
  readonly commitRowsMax: number;
}

const MEBIBYTE = 1_048_576;

export const defaultLimits: ProtocolLimits = {
  frameBytesMax: MEBIBYTE,
  bodyBytesMax: 8 * MEBIBYTE,
  frameRowsMax: 32_768,
  frameCellsMax: 2_097_152,
  frameCharactersMax: 33_554_432,
  frameCommitsMax: 32_768,
  ackOutcomesMax: 4_096,
  commitPartsMax: 1_024,
  commitBytesMax: 128 * MEBIBYTE,
  commitRowsMax: 1_000_000,
};

/** The only version of the protocol that this build speaks. */
export const PROTOCOL_VERSION = 1;

/** Nesting of arrays and maps in a frame. Deeper is `frame-invalid`. */
export const FRAME_DEPTH_MAX = 8;
/** Bytes of a tenant id. */
export const TENANT_BYTES_MAX = 256;
/** Bytes of a name: tier, role, application, scope dimension, extension, table, column. Postgres cuts identifiers at 63. */
export const NAME_BYTES_MAX = 63;
/** Bytes of the name of a commit's author. */
export const AUTHOR_BYTES_MAX = 1_024;
/** Bytes of a url. */
export const URL_BYTES_MAX = 2_048;
/** Characters of an error's message and of one text in its details. The sender cuts what is longer. */
export const DETAIL_CHARACTERS_MAX = 1_024;
/** Entries in an error's details. The sender leaves out the rest. */
export const DETAILS_MAX = 32;
/** Protocol versions or extensions in a hello. */
export const OFFERS_MAX = 64;
/** Logs named in one frame: heads, cursors, settled origins. */
export const LOGS_MAX = 16_384;
/** Ids in one dimension of a grant. */
export const SCOPE_IDS_MAX = 16_384;
/** Values in a row key, and columns in a table (Postgres allows 1,600). */
export const KEY_PARTS_MAX = 32;
export const COLUMNS_MAX = 1_600;
/** Tables that one request for a snapshot may name. */
export const TABLES_MAX = 4_096;
/** Bytes of one value in a row key. */
export const KEY_BYTES_MAX = 65_536;
/** Distinct (table, op, columns) and authors in one body. */
export const BLOCKS_MAX = 4_096;
export const AUTHORS_MAX = 32_768;
/**
 * Bytes of one row, in the text form of a change's body. Leaves room in a frame for the row's stamps and for what stands around
 * it, so that every row fits a slice, a page and the truth of an acknowledgement.
 */
export const ROW_BYTES_MAX = 786_432;
/** Bytes of a nonce. */
export const NONCE_BYTES = 32;
/** Bytes of an Ed25519 signature. */
/** A hash, and a code over it and its place. */
export const MARK_BYTES = 64;
export const SIGNATURE_BYTES = 64;
