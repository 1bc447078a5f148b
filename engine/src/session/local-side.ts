import type { DurabilityLevel } from "../protocol/frame.ts";
import type { SessionLimits } from "./session-limits.ts";

/** What a session knows about its own replica. */
export interface LocalSide {
  readonly node: string;
  readonly tier: string;
  /** The catalog's name, version, oldest version it can bridge, and hash. */
  readonly application: string;
  readonly catalogVersion: number;
  readonly catalogVersionOldest: number;
  readonly catalogHash: Uint8Array;
  /** The tenant whose rows everybody reads. */
  readonly sharedTenant: string;
  /** What our acknowledgements may promise. */
  readonly level: DurabilityLevel;
  /** True when this replica has no parent. */
  readonly top: boolean;
  /** Optional features of the protocol that this side offers; default none. */
  readonly extensions?: readonly string[];
  readonly limits: SessionLimits;
  /** Bytes of the largest frame. */
  readonly frameBytesMax: number;
}

/** The extension by which a child compares its rows with its parent's. */
export const DIGEST_EXTENSION = "row-digest";

export const protocolVersion = 1;
export const nonceBytes = 32;
