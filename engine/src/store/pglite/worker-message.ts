import type { ErrorDetails } from "../../error/hayloft-error.ts";
import type { Database } from "../database.ts";

/** What the worker is started with. */
export interface WorkerStart {
  /** PGlite's own directory; null keeps the database in memory. */
  readonly dataDir: string | null;
  readonly durable: boolean;
  /** A prepared image for a new directory; null means that the cached one is used, or made. */
  readonly image: string | null;
  /** PGlite's compiled program: see `pgliteProgram`. */
  readonly program: WebAssembly.Module;
  /** Two 32-bit integers: see `WorkerFate`. */
  readonly fate: SharedArrayBuffer;
}

export type WorkerRequest =
  | {
      readonly kind: "exec";
      readonly id: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Whether a transaction that it leaves open is rolled back at once. */
      readonly alone: boolean;
    }
  | { readonly kind: "close"; readonly id: number };

export type WorkerReply =
  | { readonly kind: "opened"; readonly durability: Database["durability"] }
  | { readonly kind: "refused"; readonly failure: OpenFailure }
  | { readonly kind: "done"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };

/** Why the worker could not open the database. */
export interface OpenFailure {
  readonly code: "store-failed" | "store-full" | "store-unsafe";
  readonly details: ErrorDetails;
}
