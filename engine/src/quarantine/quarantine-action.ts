import type { SqlSession } from "../store/database.ts";
import type { HeldId } from "./held-commit.ts";

/** What a person did with a held commit. */
export interface QuarantineAction extends HeldId {
  readonly id: string;
  readonly tenant: string;
  readonly action: "resent" | "discarded" | "release";
  /** The replica on which it was done. */
  readonly node: string;
  /** The commit that took its place; null unless it was sent again. */
  readonly replacement: HeldId | null;
  readonly person: string | null;
  readonly reason: string | null;
}

/**
 * Called in the transaction of an action on the replica where it is done, for the application's own audit entry. What it
 * writes is captured and belongs to the same commit. An error undoes the action.
 */
export type QuarantineHook = (tx: SqlSession, action: QuarantineAction) => Promise<void>;
