import { createHash } from "node:crypto";
import { HayloftError } from "../error/hayloft-error.ts";
import { endOf, type HttpAnswer } from "./http-call.ts";
import { type SignedTarget, SigningCaller } from "./signing-caller.ts";

export type UploadTarget = SignedTarget;

export interface UploadPace {
  readonly chunkBytes: number;
  /** Asked before each chunk: false leaves the rest for later. It may wait, to keep to a rate. */
  mayGoOn(nextBytes: number): Promise<boolean>;
  /** Told how far the receiver has it, durable there. */
  onProgress(sentBytes: number): Promise<void>;
  readonly signal: AbortSignal;
}

const CALL_TIMEOUT_MS = 30_000;
/** The receiver says whether a refusal is for good: these may end by themselves. */
const passing: ReadonlySet<number> = new Set([401, 404, 408, 409, 423, 425, 429, 460, 500, 502, 503, 504, 507]);

/**
 * Brings bytes to a peer that answers with `answerUpload`, chunk by chunk, from where it has them, and returns true when it has all
 * of them. Each request is signed, its body by its checksum. Throws `unavailable`, `auth-failed`, and `request-invalid` with the
 * peer's status when it refuses for good.
 */
export async function uploadBlob(target: UploadTarget, bytes: Uint8Array, pace: UploadPace): Promise<boolean> {
  const caller = new Uploader(target, pace.signal);
  let offset = offsetOf(await caller.call("HEAD", null, null), bytes.length);
  while (offset < bytes.length) {
    const chunk = bytes.subarray(offset, offset + pace.chunkBytes);
    if (!(await pace.mayGoOn(chunk.length))) return false;
    const answer = await caller.call("PATCH", offset, chunk);
    // Another attempt was faster, or a chunk was altered on its way: the peer says where it stands.
    const at = answer.status === 204 ? answer : await caller.call("HEAD", null, null);
    const next = offsetOf(at, bytes.length);
    if (next <= offset) throw new HayloftError("unavailable", { reason: "the peer took nothing", status: answer.status });
    offset = next;
    await pace.onProgress(offset);
  }
  return true;
}

function offsetOf(answer: HttpAnswer, length: number): number {
  if (answer.status === 403 || answer.status === 401) throw new HayloftError("auth-failed", { status: answer.status });
  const offset = Number(answer.headers["upload-offset"] ?? Number.NaN);
  if (answer.status < 300 && offset >= 0 && offset <= length) return offset;
  const code = passing.has(answer.status) ? "unavailable" : "request-invalid";
  throw new HayloftError(code, { reason: "the peer refused", status: answer.status });
}

/** Sends the parts of one upload. */
class Uploader {
  readonly #url: URL;
  readonly #caller: SigningCaller;

  constructor(target: UploadTarget, signal: AbortSignal) {
    this.#url = target.url;
    this.#caller = new SigningCaller(target, signal, { silentMs: CALL_TIMEOUT_MS, wholeMs: CALL_TIMEOUT_MS });
  }

  async call(method: "HEAD" | "PATCH", offset: number | null, chunk: Uint8Array | null): Promise<HttpAnswer> {
    const checksum = chunk === null ? "" : `sha256 ${createHash("sha256").update(chunk).digest("base64")}`;
    const at = offset === null ? "" : String(offset);
    const patch = { "content-type": "application/offset+octet-stream", "upload-offset": at, "upload-checksum": checksum };
    const headers = { "tus-resumable": "1.0.0", ...(chunk === null ? {} : patch) };
    return await endOf(await this.#caller.open({ method, headers, body: chunk, offset: at, checksum }), this.#url);
  }
}
