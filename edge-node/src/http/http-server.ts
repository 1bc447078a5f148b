import { readFile } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { HayloftError } from "@hayloft/engine";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { readSecret } from "../settings/read-secret.ts";
import type { Route } from "./http-routes.ts";
import { answerRequest } from "./http-routes.ts";

export interface EdgeHttpServer {
  readonly server: Server | HttpsServer;
  readonly url: string;
  close(): Promise<void>;
}

const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};
const HEADERS_TIMEOUT_MS = 10_000;
/** A device with a bad link needs its time for an image; one that is cut off goes on where it was. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Starts the HTTP port: health, readiness, metrics, status page, and whatever `routes` has. Children use its `server`. */
export async function startHttpServer(config: EdgeConfig, routes: readonly Route[]): Promise<EdgeHttpServer> {
  const tokenFile = config["http.admin_token_file"];
  const adminToken = tokenFile === null ? null : await readSecret("http.admin_token_file", tokenFile);
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    void answerRequest(routes, adminToken, request).then((reply) => {
      // What is left of an unread body would be taken for the next request.
      const ending = request.complete ? {} : { connection: "close" };
      response.writeHead(reply.status, { ...HEADERS, "content-type": reply.contentType, ...ending, ...reply.headers });
      response.end(request.method === "HEAD" ? undefined : reply.body);
    });
  };
  const server = await createPort(config, answer);
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  const host = config["http.host"];
  await listen(server, host, config["http.port"]);
  const { port } = server.address() as AddressInfo;
  const scheme = config["http.tls_cert_file"] === null ? "http" : "https";
  return {
    server,
    url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function createPort(
  config: EdgeConfig,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server | HttpsServer> {
  const certFile = config["http.tls_cert_file"];
  const keyFile = config["http.tls_key_file"];
  if (certFile === null || keyFile === null) return createServer(answer);
  const [cert, key] = [await readFile(certFile), await readSecret("http.tls_key_file", keyFile)];
  return createHttpsServer({ cert, key, minVersion: "TLSv1.2" }, answer);
}

function listen(server: Server | HttpsServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(new HayloftError("config-invalid", { problem: `http.host and http.port: cannot listen on ${host}:${port}` }, error));
    server.once("error", failed);
    server.listen(port, host, () => {
      server.removeListener("error", failed);
      resolve();
    });
  });
}
