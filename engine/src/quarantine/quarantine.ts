import type { Change } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { HeldCommit, HeldCount, HeldHeader, HeldId, QuarantineFilter } from "./held-commit.ts";

/** Names a held commit. */
export type HeldName = HeldId & { readonly tenant: string };

export interface ResendOptions {
  /** Corrects the changes; without it they are sent as they are. */
  readonly edit?: (changes: readonly Change[]) => readonly Change[];
  /** Who does it. */
  readonly person?: string;
  readonly reason?: string;
}

/** How `release` ended. */
export interface ReleaseResult {
  readonly released: boolean;
  /** Why it is still held; null when it is not. */
  readonly code: ErrorCode | null;
}

/**
 * The commits that this replica holds, for others or of its own, and what people do with them; by name also those that were
 * reported from below. Every action is one transaction with its entry in the log of actions and the application's hook. The
 * first word on a commit that the replica hears which refused it counts, wherever it was said.
 */
export interface Quarantine {
  /** What is held here, without changes, in the order of tenants, origins and seqs; go on with `after`. */
  list(filter: QuarantineFilter): Promise<readonly HeldHeader[]>;
  /** How many are held by tenant and code, their bytes, and since when. */
  count(tenant?: string | null): Promise<readonly HeldCount[]>;
  read(name: HeldName): Promise<HeldCommit | null>;
  /**
   * Writes the changes again, corrected, as an ordinary commit of this replica, and closes the held one as `resent`; what builds
   * on it is tried behind the new one. Again after that, it changes nothing and names the same new commit. Throws `not-found`,
   * `quarantine-closed` when it ended in another way, and what the write itself throws: then it is still held.
   */
  resend(name: HeldName, options?: ResendOptions): Promise<HeldId>;
  /**
   * Closes a held commit, and what builds on it, without applying it. `reason` says why. Again after that, it changes nothing.
   * Throws `not-found`, and `quarantine-closed` when it ended in another way.
   */
  discard(name: HeldName, options: { readonly reason: string; readonly person?: string }): Promise<void>;
  /**
   * Has the commit judged again now: here when it is held here for others, else at the replica that refused it. It is applied only
   * when nothing speaks against it any more. Throws `not-found` and `quarantine-closed`.
   */
  release(name: HeldName, options?: { readonly person?: string }): Promise<ReleaseResult>;
}
