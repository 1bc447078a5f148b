import type { Commit } from "@hayloft/engine";
import type { Written } from "./checkers.ts";
import { nameOf } from "./sim-store.ts";

/** The commit as it is now: it may have got another stamp or another name since it was written. */
export const finalCommit = ({ node, commit }: Written): Commit =>
  node.store.log(commit.tenant).entries.find(({ via, commit: now }) => {
    const name = node.store.reissued.get(nameOf(commit)) ?? nameOf(commit);
    return via === null && nameOf(now) === name;
  })?.commit ?? commit;
