import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";

export interface CuttingProxy {
  /** The connection string with the proxy's address in place of the server's. */
  readonly connectionString: string;
  /** From now on, a connection over which the client sends `text` is cut: the text still reaches the server, no answer comes back. */
  cutAfter(text: string): void;
  close(): Promise<void>;
}

/** A TCP proxy before the server of `connectionString` that can lose a connection at a chosen moment. */
export async function cuttingProxy(connectionString: string): Promise<CuttingProxy> {
  const target = new URL(connectionString);
  const sockets = new Set<Socket>();
  let cut: string | null = null;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    let silent = false;
    client.on("data", (chunk: Buffer) => {
      silent ||= cut !== null && chunk.includes(cut);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      // The server has answered, so the statement took effect, and the client never learns of it.
      if (silent) client.destroy();
      else client.write(chunk);
    });
    client.on("close", () => upstream.end());
    upstream.on("close", () => client.end());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const url = new URL(connectionString);
  url.port = String((server.address() as AddressInfo).port);
  return {
    connectionString: url.href,
    cutAfter: (text) => {
      cut = text;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
