/** What names a blob: the sha256 of its bytes in hex, and their number. */
export interface BlobId {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** What an upload must turn out to be; a part that nobody announced is null. */
export interface ExpectedBlob {
  readonly sha256: string | null;
  readonly sizeBytes: number | null;
}

/**
 * Bytes by their hash, and uploads on their way to become such. Whatever a method has resolved is durable. Ids of uploads are
 * any text and never become part of a path. Methods that write throw `store-full` on a full disk and `store-failed` for other
 * failures of the disk.
 */
export interface BlobStore {
  /** The most bytes that one blob or upload may have. */
  readonly bytesMax: number;
  /** The size of a blob, or null when it is not here. */
  size(sha256: string): Promise<number | null>;
  /** The whole blob. Throws `not-found` when it is not here, and `blob-altered` when its bytes no longer hash to its name. */
  read(sha256: string): Promise<Uint8Array>;
  /** Stores bytes under their hash. Storing them again changes nothing. Throws `blob-too-large`. */
  put(bytes: Uint8Array): Promise<BlobId>;
  /** Removes a blob, unless it was stored again since `beforeMs`; one that is not here is no error. */
  remove(sha256: string, beforeMs?: number): Promise<void>;
  /** The hashes of all blobs that were stored before a time, in no order. */
  hashes(beforeMs: number): AsyncIterable<string>;

  /** How many bytes of an upload are here; 0 for one that is not known. */
  received(upload: string): Promise<number>;
  /**
   * Adds bytes to the end of an upload and returns its new size. What came before a broken source stays, unless `sha256` names
   * what all of `bytes` must hash to: then all of it is taken, or nothing. Throws `upload-offset` when `offset` is not the end,
   * `upload-busy` while another call adds to it, `blob-too-large` and `blob-altered`; after each of these the upload is as before.
   */
  append(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>, sha256?: Uint8Array): Promise<number>;
  /** The bytes of an upload that are here. Throws `not-found` when there are none. */
  contents(upload: string): Promise<Uint8Array>;
  /** Makes an upload a blob. Throws `blob-altered`, and drops the upload, when it is not what was expected. */
  finish(upload: string, expected: ExpectedBlob): Promise<BlobId>;
  /** Drops an upload; one that is not known is no error. */
  discard(upload: string): Promise<void>;
  /** Drops uploads to which nothing was added since a time; returns how many. */
  expire(beforeMs: number): Promise<number>;
}
