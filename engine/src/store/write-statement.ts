/** Commands that change nothing by themselves. */
const readingCommands: ReadonlySet<string> = new Set([
  "",
  "SELECT",
  "SHOW",
  "EXPLAIN",
  "SET",
  "RESET",
  "BEGIN",
  "START",
  "COMMIT",
  "ROLLBACK",
  "SAVEPOINT",
  "RELEASE",
  "FETCH",
  "DECLARE",
  "CLOSE",
  "LISTEN",
  "UNLISTEN",
  "NOTIFY",
  "DISCARD",
  "PREPARE",
  "DEALLOCATE",
  "LOCK",
  "CHECKPOINT",
  "ANALYZE",
  "VACUUM",
]);
const countedCommands: ReadonlySet<string> = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);
const writingQuery = /^\s*with\b[^]*\b(insert\s+into|update|delete\s+from|merge\s+into)\b/i;

/**
 * Whether a statement in autocommit has written, judged by its command and, for a `with` query that ends in a select,
 * by its text. A plain select that calls a writing function is not noticed; run it in a transaction.
 */
export function statementWrote(sql: string, command: string, affected: number): boolean {
  if (countedCommands.has(command)) return affected > 0 || writingQuery.test(sql);
  if (command === "SELECT") return writingQuery.test(sql);
  return !readingCommands.has(command);
}

/** Whether one of a script's commands may have written. */
export function scriptWrote(commands: readonly string[]): boolean {
  return commands.some((command) => !readingCommands.has(command));
}
