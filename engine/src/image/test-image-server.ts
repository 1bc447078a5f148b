import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { provenNode } from "../blob/proven-node.ts";
import { RequestChallenges } from "../blob/request-proof.ts";
import { toHayloftError } from "../replica/to-hayloft-error.ts";
import type { KeyIdentity } from "../identity/node-identity.ts";
import type { Database } from "../store/database.ts";
import { ImageDesk } from "./image-desk.ts";
import type { ImageShelf } from "./image-shelf.ts";

const statuses: Readonly<Record<string, number>> = { "not-found": 404, "limit-reached": 429, "request-invalid": 400 };

/** A parent's HTTP side: proves who asks, and hands out what is on a shelf. Notes what was asked for and can break off. */
export class TestImageServer {
  readonly ranges: (string | undefined)[] = [];
  /** Breaks the next connection that carries bytes off after so many. */
  cutAfterBytes: number | null = null;
  readonly desk: ImageDesk;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(database: Database, identity: KeyIdentity, shelf: ImageShelf) {
    this.desk = new ImageDesk({ shelf, session: database, onMissing: async () => undefined });
    const challenges = new RequestChallenges(identity);
    this.#server = createServer((request, response) => {
      void (async () => {
        const node = await provenNode(database, challenges, request, Date.now());
        if (node === null) return response.writeHead(401, { "www-authenticate": challenges.header(Date.now()) }).end();
        const reply = await this.desk.answer(request, { ...node, role: "" }, Date.now());
        response.writeHead(reply.status, reply.headers);
        if (typeof reply.body === "string") return response.end(reply.body);
        this.ranges.push(request.headers.range);
        let left = this.cutAfterBytes ?? Infinity;
        this.cutAfterBytes = null;
        const closed = new Promise((resolve) => response.once("close", resolve));
        for await (const chunk of reply.body as AsyncIterable<Buffer>) {
          left -= chunk.length;
          if (left < 0) return response.destroy();
          if (!response.write(chunk)) await Promise.race([once(response, "drain").catch(() => null), closed]);
          if (response.destroyed) return reply.body;
        }
        return response.end();
      })().catch((error: unknown) => {
        response.writeHead(statuses[toHayloftError(error, "internal-error").code] ?? 500).end();
      });
    });
    this.#server.on("connection", (socket) => this.#sockets.add(socket));
  }

  async listen(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return new URL(`http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/image`);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
