import type { IncomingMessage, Server } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Replica } from "../../replica/replica.ts";
import { networkOf, remoteAddress, trustedProxies } from "./remote-address.ts";
import { WsLink, wsLimits } from "./ws-link.ts";

export interface ServeChildrenOptions {
  readonly server: Server | SecureServer;
  /** Default `/sync`. Upgrades to other paths are left to other listeners of the server. */
  readonly path?: string;
  /**
   * Exact origins whose pages may connect from a browser. A connection without an Origin header (a node) is always let in:
   * it proves itself by its key. Default: none.
   */
  readonly origins?: readonly string[];
  /**
   * Addresses and networks of proxies in front of the server. Of their requests `X-Forwarded-For` says where they come from,
   * which the limit of unproven connections per address counts; of all others the header is ignored. Default: none.
   */
  readonly trustedProxies?: readonly string[];
}

export interface ChildrenServer {
  /** Takes no more connections and waits until the upgrade listener is gone; open sessions belong to the replica. */
  close(): Promise<void>;
}

/** Lets children of a replica connect over an HTTP server's upgrades. The server stays the caller's. Throws `config-invalid` for a proxy that is no address. */
export function serveChildren(replica: Pick<Replica<never>, "accept">, options: ServeChildrenOptions): ChildrenServer {
  const path = options.path ?? "/sync";
  const origins: ReadonlySet<string> = new Set(options.origins);
  const trusted = trustedProxies(options.trustedProxies ?? []);
  const sockets = new WebSocketServer({ noServer: true, clientTracking: false, ...wsLimits });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (pathOf(request) !== path) {
      // Another listener may serve that path; without one nobody would ever answer.
      if (options.server.listenerCount("upgrade") === 1) refuse(socket, "404 Not Found");
      return;
    }
    const { origin } = request.headers;
    if (origin !== undefined && !origins.has(origin)) {
      refuse(socket, "403 Forbidden");
      return;
    }
    const address = networkOf(remoteAddress(request, trusted));
    sockets.handleUpgrade(request, socket, head, (connection) => replica.accept(new WsLink(connection, address)));
  };
  options.server.on("upgrade", upgrade);
  return {
    close: async () => {
      options.server.off("upgrade", upgrade);
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
    },
  };
}

const pathOf = (request: IncomingMessage): string => (request.url ?? "/").split("?", 1)[0] ?? "/";

function refuse(socket: Duplex, status: string): void {
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
