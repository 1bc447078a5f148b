import type { ErrorDetails, HayloftError } from "../../error/hayloft-error.ts";

/**
 * A running PGlite that speaks Postgres' protocol: a worker thread in Node, the same thread or a browser's worker elsewhere.
 * Everything above this port is free of Node.
 */
export interface PgliteEngine {
  /** Runs one request and resolves to all that Postgres answered. Throws `store-failed` once the engine is lost. */
  exec(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  /** The same, and a transaction that the request leaves open is rolled back before the next request. */
  execAlone(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  /** Ends the engine because what lies on the disk is not what was written, and returns the error that every call gets from now on. */
  condemn(found: ErrorDetails): HayloftError;
  /** Shuts the database down cleanly. */
  close(): Promise<void>;
}
