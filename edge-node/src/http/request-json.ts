import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { HayloftError } from "@hayloft/engine";

export interface JsonRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: URL;
  readonly body: unknown;
  readonly timeoutMs: number;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string | null;
  readonly token?: string | null;
}

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** One HTTP request with JSON both ways; redirects are not followed. Throws `unavailable` when no whole answer comes. */
export function requestJson(request: JsonRequest): Promise<{ readonly status: number; readonly body: unknown }> {
  const text = request.body === null ? null : JSON.stringify(request.body);
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void =>
      reject(
        new HayloftError(
          "unavailable",
          { address: request.url.origin, reason: "no answer; check the address and the network" },
          error,
        ),
      );
    const call = (request.url.protocol === "https:" ? httpsRequest : httpRequest)(request.url, {
      method: request.method,
      signal: AbortSignal.timeout(request.timeoutMs),
      headers: {
        ...(text === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...(typeof request.token === "string" ? { authorization: `Bearer ${request.token}` } : {}),
      },
      ...(typeof request.ca === "string" ? { ca: request.ca } : {}),
    });
    call.on("error", failed);
    call.on("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) call.destroy(new Error("the answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", failed);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: parseJson(Buffer.concat(chunks).toString("utf8")) }),
      );
    });
    call.end(text ?? undefined);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An answer that is no JSON is judged by whoever asked, like any other unexpected content.
    return null;
  }
}
