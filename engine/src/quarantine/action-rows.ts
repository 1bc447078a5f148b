import type { Commit } from "../commit/commit.ts";
import { columnOf } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";
import { type HeldId, readHeld } from "./held-commit.ts";
import { ACTION_TABLE } from "./quarantine-tables.ts";

interface ActionRow extends HeldId {
  readonly action: string;
}

/** The actions on held commits that a commit brings. */
export function actionsOf(commit: Commit): readonly ActionRow[] {
  return commit.changes.flatMap((change) => {
    if (change.table !== ACTION_TABLE || change.op !== "insert") return [];
    const value = (column: string, row: number): string => columnOf(change, column)?.[row] ?? "";
    return Array.from({ length: change.rowCount }, (_, row) => ({
      origin: value("origin", row),
      seq: Number(value("seq", row)),
      action: value("action", row),
    }));
  });
}

/** A child settles only what its own node wrote: other actions on commits that are held here are refused. */
export async function refusedActions(tx: SqlSession, tenant: string, commits: readonly Commit[]): Promise<readonly Commit[]> {
  const refused: Commit[] = [];
  for (const commit of commits) {
    for (const { origin, seq } of actionsOf(commit)) {
      if (!isName(origin, seq)) continue;
      const held = await readHeld(tx, tenant, origin, seq);
      if (held !== null && held.peer !== null && held.node !== commit.node) refused.push(commit);
    }
  }
  return refused;
}

/** What is no name of a commit names none; the table's types refuse it when it is written. */
const isName = (origin: string, seq: number): boolean => /^[0-9a-f-]{36}$/.test(origin) && Number.isSafeInteger(seq);
