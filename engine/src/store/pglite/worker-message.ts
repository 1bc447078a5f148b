import type { ErrorDetails } from "../../error/hayloft-error.ts";
import type { Database } from "../database.ts";

/** What the worker is told to open; it is its first message. */
export interface WorkerStart {
  /** PGlite's own directory; null keeps the database in memory. */
  readonly dataDir: string | null;
  readonly durable: boolean;
  /** True reads what can be read of a copy of a damaged store; what is written then is of no use. */
  readonly salvage: boolean;
  /** A prepared image for a new directory; null means that the cached one is used, or made. */
  readonly image: string | null;
  /** PGlite's compiled program, see `pgliteProgram`; null when the worker was to get it by itself. */
  readonly program: WebAssembly.Module | null;
  /** Two 32-bit integers: see `WorkerFate`. */
  readonly fate: SharedArrayBuffer;
}

export type WorkerRequest =
  | { readonly kind: "open"; readonly start: WorkerStart }
  | {
      readonly kind: "exec";
      readonly id: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** Whether a transaction that it leaves open is rolled back at once. */
      readonly alone: boolean;
    }
  | { readonly kind: "close"; readonly id: number };

export type WorkerReply =
  | {
      readonly kind: "opened";
      readonly durability: Database["durability"];
      readonly program: WebAssembly.Module;
      /** Whether the worker got that by itself, with code that was kept. */
      readonly kept: boolean;
    }
  | { readonly kind: "refused"; readonly failure: OpenFailure }
  | { readonly kind: "done"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };

/** Why the worker could not open the database. */
export interface OpenFailure {
  readonly code: "store-failed" | "store-full" | "store-unsafe";
  readonly details: ErrorDetails;
}

/** The data of a worker that was started before anybody knew what it shall open: it gets the program by itself. */
export const STARTED_AHEAD = "ahead";
