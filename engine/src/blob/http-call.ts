import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
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
  /** The call fails when nothing comes or goes for so long. */
  readonly silentMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

const noAnswer = (url: URL, error: unknown): HayloftError =>
  new HayloftError("unavailable", { address: url.origin, reason: "no answer; check the network" }, error);

/** One HTTP request, whose answer is still to be read to its end. Redirects are not followed. Throws `unavailable` without an answer. */
export function openHttp({ method, url, headers, body, ca, signal, silentMs }: HttpCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const length = body === null ? {} : { "content-length": String(body.length) };
    const call = send(url, { method, headers: { ...headers, ...length }, signal, ...(ca === null ? {} : { ca }) });
    call.setTimeout(silentMs, () => call.destroy(new Error("silent")));
    call.on("error", (error) => reject(noAnswer(url, error)));
    call.on("response", resolve);
    call.end(body ?? undefined);
  });
}

/** Reads an answer whose body does not matter to its end. Throws `unavailable` when it breaks off. */
export async function endOf(answer: IncomingMessage, url: URL): Promise<HttpAnswer> {
  return await new Promise((resolve, reject) => {
    answer.on("error", (error) => reject(noAnswer(url, error)));
    answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers }));
    answer.resume();
  });
}
