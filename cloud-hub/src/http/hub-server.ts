import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Log } from "@hayloft/engine";
import { HayloftError, newId } from "@hayloft/engine";
import type { HttpReply } from "./http-reply.ts";
import { errorReply } from "./http-reply.ts";

export interface Route {
  readonly method: "GET" | "POST" | "HEAD" | "PATCH";
  readonly path: string;
  handle(request: IncomingMessage, traceId: string): Promise<HttpReply>;
}

export interface HubServerOptions {
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly routes: readonly Route[];
  readonly log: Log;
}

/** Bounds against callers who send slowly: a whole request within 15 s, its headers within 5 s. */
const TIMEOUTS = {
  headersTimeout: 5_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8_192,
};

/** An HTTP or HTTPS server with the given routes. WebSocket upgrades are left to `serveChildren`. */
export function createHubServer(options: HubServerOptions): Server {
  const listener: RequestListener = (request, response) => void answer(options, request, response);
  const server = options.tls === null ? createServer(TIMEOUTS, listener) : secureServer(options.tls, listener);
  server.maxHeadersCount = 60;
  server.maxRequestsPerSocket = 1_000;
  return server;
}

function secureServer(tls: { readonly cert: string; readonly key: string }, listener: RequestListener): Server {
  try {
    return createTlsServer({ ...TIMEOUTS, ...tls, minVersion: "TLSv1.2" }, listener);
  } catch (error) {
    // The cause is dropped on purpose: it may quote the key.
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new HayloftError("config-invalid", {
      problems: `http.tls_key_file: certificate and key cannot be used together (${code})`,
    });
  }
}

/** Starts listening; resolves with the port. Throws `config-invalid` when the address cannot be used. */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(
        new HayloftError("config-invalid", {
          problems: `http.port: cannot listen on ${host}:${port} (${error.code ?? "unknown"})`,
        }),
      );
    server.once("error", failed);
    server.listen(port, host, () => {
      server.off("error", failed);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

async function answer(options: HubServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const traceId = traceIdOf(request);
  let reply: HttpReply;
  try {
    reply = await route(options.routes, request, traceId);
  } catch (error) {
    reply = errorReply(error, traceId);
    const known =
      error instanceof HayloftError
        ? error
        : new HayloftError("internal-error", { reason: error instanceof Error ? error.name : "unknown" }, error);
    const level = reply.status >= 500 ? "error" : "info";
    options.log({
      level,
      event: "request-refused",
      peer: null,
      details: { traceId, status: reply.status, code: known.code },
      error: reply.status >= 500 ? known : null,
    });
  }
  if (reply.body instanceof Readable) await sendStream(request, response, reply, reply.body, traceId);
  else send(request, response, reply, traceId);
}

async function route(routes: readonly Route[], request: IncomingMessage, traceId: string): Promise<HttpReply> {
  const path = (request.url ?? "/").split("?")[0];
  const here = routes.filter((candidate) => candidate.path === path);
  if (here.length === 0) throw new HayloftError("not-found", { path: "unknown" });
  const found =
    here.find((candidate) => candidate.method === request.method) ??
    here.find((candidate) => candidate.method === "GET" && request.method === "HEAD");
  if (found === undefined) {
    const reply = errorReply(new HayloftError("request-invalid", { part: "method" }), traceId);
    return { ...reply, status: 405, headers: { allow: here.map((candidate) => candidate.method).join(", ") } };
  }
  return await found.handle(request, traceId);
}

/** A caller that takes nothing for so long is let go. */
const STREAM_SILENT_MS = 60_000;

async function sendStream(
  request: IncomingMessage,
  response: ServerResponse,
  reply: HttpReply,
  body: Readable,
  traceId: string,
): Promise<void> {
  response.writeHead(reply.status, { ...commonHeaders(request, traceId), ...reply.headers });
  if (request.method === "HEAD") {
    body.destroy();
    response.end();
    return;
  }
  response.setTimeout(STREAM_SILENT_MS, () => response.destroy());
  // Who breaks off knows it; who is gone cannot be told.
  await pipeline(body, response).catch(() => undefined);
}

const commonHeaders = (request: IncomingMessage, traceId: string): OutgoingHttpHeaders => ({
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-request-id": traceId,
  // What is left of an unread body would be taken for the next request.
  ...(request.complete ? {} : { connection: "close" }),
});

function send(request: IncomingMessage, response: ServerResponse, reply: HttpReply, traceId: string): void {
  const isText = typeof reply.body === "string";
  const bytes =
    reply.body instanceof Uint8Array
      ? reply.body
      : Buffer.from(typeof reply.body === "string" ? reply.body : `${JSON.stringify(reply.body)}\n`);
  response.writeHead(reply.status, {
    "content-type": isText ? "text/plain; version=0.0.4; charset=utf-8" : "application/json",
    // An answer without content must not name a length.
    ...(reply.status === 204 || reply.status === 304 ? {} : { "content-length": bytes.length }),
    ...commonHeaders(request, traceId),
    ...reply.headers,
  });
  response.end(request.method === "HEAD" || reply.status === 204 ? undefined : bytes);
}

function traceIdOf(request: IncomingMessage): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && /^[\w-]{1,64}$/.test(given) ? given : newId();
}
