import type { ErrorCode } from "../error/error-codes.ts";

/** The codes under which a commit is held. */
export type HeldCode = Exclude<Extract<ErrorCode, `refused-${string}`>, "refused-resent" | "refused-discarded">;

/** What makes the cause of a refusal go away, so that the commit is judged again by itself. */
export type ReleasedBy =
  /** A row that it refers to is there. */
  | "row"
  /** The rows that refer to what it takes away are gone. */
  | "children"
  /** The commit that it builds on is settled. */
  | "cause"
  /** The registry's row of its author, or of the node that brought it, or the catalog, is another one. */
  | "authority"
  /** This replica has another catalog. */
  | "catalog"
  /** Nothing but a person, or a later commit that corrects it. */
  | "person";

const releasedBy: Readonly<Record<HeldCode, ReleasedBy>> = {
  "refused-parent": "row",
  "refused-children": "children",
  "refused-waiting": "cause",
  "refused-dependent": "cause",
  "refused-writer": "authority",
  "refused-scope": "authority",
  "refused-schema": "catalog",
  "refused-parent-deleted": "row",
  "refused-rule": "person",
  "refused-content": "person",
  "refused-constraint": "person",
  "refused-document": "person",
  "refused-history": "person",
  "refused-late": "person",
  "refused-size": "person",
  "refused-other": "person",
};

const isHeldCode = (code: ErrorCode): code is HeldCode => Object.hasOwn(releasedBy, code);

/** What releases a commit that is held under this code. A code of a later version waits for a person. */
export const releaseOf = (code: ErrorCode): ReleasedBy => (isHeldCode(code) ? releasedBy[code] : "person");

/** True when a commit under this code is judged again by itself. */
export const isRetryable = (code: ErrorCode): boolean => releaseOf(code) !== "person";

export const WAITING_CODES: readonly ErrorCode[] = ["refused-parent", "refused-children", "refused-waiting"];

/**
 * True while the author's rows stay as they are, because the commit is only early. For every other code the author gets the
 * true rows at once.
 */
export const isWaiting = (code: ErrorCode): boolean => WAITING_CODES.includes(code);

/** True for codes that later commits of the chain can heal: the commit is tried again together with them. */
export const isHealedByChain = (code: ErrorCode): boolean => code === "refused-constraint" || code === "refused-children";

/** The code of a commit that steps aside with a held one. */
export const codeBehind = (cause: { readonly waits: boolean }): HeldCode =>
  cause.waits ? "refused-waiting" : "refused-dependent";
