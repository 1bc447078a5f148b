import type { NodeKey } from "./session-ports.ts";

/** A peer as its session has it, before the database is asked for the rest. */
export interface PeerState extends NodeKey {
  /** The name of its cursors here: that of its node, unless it is a copy of it. */
  readonly name: string;
  readonly relation: "parent" | "child";
  readonly connected: boolean;
  readonly state: string;
  readonly skewMs: number | null;
  readonly lastError: { readonly code: string; readonly atMs: number } | null;
}
