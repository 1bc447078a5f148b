import { HayloftError } from "../error/hayloft-error.ts";

const codeOf = (error: unknown): string | null =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;

const diskCodes: ReadonlySet<string> = new Set([
  "EIO",
  "EROFS",
  "EACCES",
  "EPERM",
  "EMFILE",
  "ENFILE",
  "EBADF",
  "EISDIR",
  "ENOTDIR",
]);

/** True for what a file system says of a name that is not there. */
export const isMissing = (error: unknown): boolean => codeOf(error) === "ENOENT";

/** What the catalog calls a failure of the file system; anything else, such as a broken source, is passed on as it is. */
export function diskError(error: unknown, what: string): unknown {
  const code = codeOf(error);
  if (code === "ENOENT") return new HayloftError("not-found", { what }, error);
  if (code === "ENOSPC" || code === "EDQUOT") return new HayloftError("store-full", { code }, error);
  if (code !== null && diskCodes.has(code)) return new HayloftError("store-failed", { code }, error);
  return error;
}
