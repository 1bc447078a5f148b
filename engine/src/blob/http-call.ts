import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { HayloftError } from "../error/hayloft-error.ts";

export interface HttpCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca: string | null;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** One HTTP request whose answer's body does not matter. Redirects are not followed. Throws `unavailable` without an answer. */
export function callHttp({ method, url, headers, body, ca, signal }: HttpCall): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void =>
      reject(new HayloftError("unavailable", { address: url.origin, reason: "no answer; check the network" }, error));
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const length = body === null ? {} : { "content-length": String(body.length) };
    const call = send(url, { method, headers: { ...headers, ...length }, signal, ...(ca === null ? {} : { ca }) });
    call.on("error", failed);
    call.on("response", (response) => {
      response.on("error", failed);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      response.resume();
    });
    call.end(body ?? undefined);
  });
}
