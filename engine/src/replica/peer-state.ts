import type { NodeKey } from "./session-ports.ts";

/** A peer as its session has it, before the database is asked for the rest. */
export interface PeerState extends NodeKey {
  readonly relation: "parent" | "child";
  readonly connected: boolean;
  readonly state: string;
  readonly skewMs: number | null;
  readonly lastError: { readonly code: string; readonly atMs: number } | null;
}
