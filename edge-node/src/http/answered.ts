import { isHayloftError } from "@hayloft/engine";
import type { HttpReply } from "./http-routes.ts";
import { errorReply, json } from "./http-routes.ts";

const theirs = ["request-invalid", "write-refused", "undo-refused", "review-changed", "commit-too-large", "sql-failed"];

/** The work's answer as JSON. What the person can do something about comes with the engine's own words. */
export async function answered(work: () => Promise<object>): Promise<HttpReply> {
  try {
    return json(await work());
  } catch (error) {
    if (isHayloftError(error, "not-found")) return errorReply(404, error.code, error.message);
    if (isHayloftError(error) && theirs.includes(error.code)) return errorReply(400, error.code, error.message);
    throw error;
  }
}
