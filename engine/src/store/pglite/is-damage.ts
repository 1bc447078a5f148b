import type { SqlFailure } from "../sql-error.ts";

/** True when a statement failed because what lies on the disk is not what was written. */
export function isDamage({ sqlstate, message }: Pick<SqlFailure, "sqlstate" | "message">): boolean {
  // A page or a row that is no such thing, and an index that does not fit its table.
  if (sqlstate === "XX001" || sqlstate === "XX002") return true;
  return sqlstate === "58P01" && /^could not \w+ file "(?:base|global|pg_)/u.test(message);
}
