import { timingSafeEqual } from "node:crypto";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { HayloftError, isHayloftError, newId } from "@hayloft/engine";

export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

interface HttpRequest {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  /** The parsed JSON body of a POST or DELETE, else null. */
  readonly body: unknown;
  /** The request itself, for routes that take a stream; its body is read already where `body` says so. */
  readonly raw: IncomingMessage;
}

export interface Route {
  /** A route for GET answers HEAD too, unless there is one for HEAD. */
  readonly method: "GET" | "POST" | "DELETE" | "HEAD" | "PUT" | "PATCH";
  /** Segments; `:name` stands for any one. Of two that match, the first in the list answers. */
  readonly path: string;
  /** Changes something, or shows values of rows: needs the admin token. */
  readonly admin: boolean;
  readonly answer: (request: HttpRequest, parameters: Readonly<Record<string, string>>) => Promise<HttpReply>;
}

const BODY_BYTES_MAX = 65_536;

export const json = (value: unknown, status = 200): HttpReply => ({
  status,
  contentType: "application/json; charset=utf-8",
  body: `${JSON.stringify(value)}\n`,
});

/** An error as every HTTP endpoint answers it. */
export const errorReply = (status: number, code: string, message: string): HttpReply =>
  json({ error: { code, message, traceId: newId() } }, status);

/** Finds the route, checks the token where it changes something, and answers. Never throws. */
export async function answerRequest(
  routes: readonly Route[],
  adminToken: string | null,
  request: IncomingMessage,
): Promise<HttpReply> {
  try {
    const url = new URL(request.url ?? "/", "http://localhost");
    const path = url.pathname
      .split("/")
      .filter((segment) => segment !== "")
      .map(decodeURIComponent);
    const matching = routes.flatMap((route) => {
      const parameters = matchPath(route.path, path);
      return parameters === null ? [] : [{ route, parameters }];
    });
    if (matching.length === 0) return errorReply(404, "not-found", "There is nothing at this address.");
    const answering = (method: string | undefined) => matching.find(({ route }) => route.method === method);
    const found = answering(request.method) ?? (request.method === "HEAD" ? answering("GET") : undefined);
    if (found === undefined) return errorReply(405, "method-not-allowed", "This address does not answer that method.");
    if (found.route.admin) {
      const refusal = checkToken(adminToken, request.headers.authorization);
      if (refusal !== null) return refusal;
    }
    const takesJson = found.route.method === "POST" || found.route.method === "DELETE";
    const body = takesJson ? await readBody(request) : null;
    const { method } = found.route;
    return await found.route.answer({ method, path, query: url.searchParams, body, raw: request }, found.parameters);
  } catch (error) {
    return replyOfError(error);
  }
}

/** A whole number from the query string within bounds, or the default. Throws `config-invalid` for anything else. */
export function limitOf(query: URLSearchParams, byDefault: number, max: number): number {
  const text = query.get("limit");
  if (text === null) return byDefault;
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1 || Number(text) > max) {
    throw new HayloftError("config-invalid", { parameter: "limit", problem: `must be a whole number from 1 to ${max}` });
  }
  return Number(text);
}

function replyOfError(error: unknown): HttpReply {
  if (error instanceof URIError || error instanceof SyntaxError)
    return errorReply(400, "bad-request", "The address or body cannot be read.");
  if (isHayloftError(error, "config-invalid") || isHayloftError(error, "limit-reached"))
    return errorReply(400, error.code, error.message);
  if (isHayloftError(error)) return errorReply(503, error.code, error.message);
  return errorReply(500, "internal", "The request failed; see the log.");
}

function checkToken(adminToken: string | null, header: string | undefined): HttpReply | null {
  if (adminToken === null) return errorReply(403, "admin-token-unset", "Set http.admin_token_file to allow this request.");
  const given = header?.startsWith("Bearer ") === true ? header.slice(7) : "";
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(adminToken))
    ? null
    : errorReply(401, "unauthorized", "The admin token is missing or wrong.");
}

function matchPath(pattern: string, path: readonly string[]): Readonly<Record<string, string>> | null {
  const parts = pattern.split("/").filter((segment) => segment !== "");
  if (parts.length !== path.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const segment = path[index] ?? "";
    if (part.startsWith(":")) parameters[part.slice(1)] = segment;
    else if (part !== segment) return null;
  }
  return parameters;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = chunk as Buffer;
    bytes += buffer.length;
    if (bytes > BODY_BYTES_MAX) throw new HayloftError("limit-reached", { limit: "request body", bytesMax: BODY_BYTES_MAX });
    chunks.push(buffer);
  }
  return bytes === 0 ? null : (JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown);
}
