import type { Commit } from "@hayloft/engine";
import type { Written } from "./checkers.ts";

/** The commit as it is now: it may have got another stamp or another name since it was written. */
export const finalCommit = ({ node, commit, last = commit }: Written): Commit => node.store.now(commit) ?? last;
