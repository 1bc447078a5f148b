import type { AddressInfo } from "node:net";
import type { Database } from "@hayloft/engine";
import { WebSocket, WebSocketServer } from "ws";
import { COLUMN_NAMES, INSERT_SQL } from "./telemetry-rows.ts";

const ROWS_PER_FRAME = 1_000;
const FRAMES_IN_FLIGHT_MAX = 8;

type Row = Readonly<Record<string, string | null>>;

/** Pages of one tenant's rows in the order of the primary key, by its index, as the plainest reader would take them. */
const readPage = async (from: Database, tenant: string, after: string | null): Promise<readonly Row[]> => {
  const texts = COLUMN_NAMES.map((name) => `${name}::text`).join(", ");
  const behind = after === null ? "" : " and id > $2::uuid";
  const { rows } = await from.query<Row>(
    `select ${texts} from telemetry_raw where tenant_id = $1${behind} order by tenant_id, telemetry_raw.id limit ${ROWS_PER_FRAME}`,
    after === null ? [tenant] : [tenant, after],
  );
  return rows;
};

const insertRows = async (to: Database, rows: readonly Row[]): Promise<void> => {
  await to.query(
    INSERT_SQL,
    COLUMN_NAMES.map((name) => rows.map((row) => row[name] ?? null)),
  );
};

/**
 * Moves every row of a tenant in `telemetry_raw` from one database to another: read pages, JSON text frames over a WebSocket, one
 * `insert … from unnest` a frame, pipelined, an acknowledgement a frame. No cursors, no hashes, no dedupe, no grants: the
 * floor that sync is measured against. Returns the bytes that went through the socket.
 */
export const moveRaw = async (from: Database, to: Database, tenant: string): Promise<number> => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await new Promise((resolve) => server.once("listening", resolve));
  let bytes = 0;
  server.on("connection", (socket) => {
    let work = Promise.resolve();
    socket.on("message", (data) => {
      bytes += (data as Buffer).byteLength;
      work = work.then(async () => {
        await insertRows(to, JSON.parse((data as Buffer).toString("utf8")) as readonly Row[]);
        socket.send("1");
      });
    });
  });
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { perMessageDeflate: false });
  await new Promise((resolve, reject) => client.once("open", resolve).once("error", reject));
  await send(from, tenant, client);
  client.terminate();
  await new Promise((resolve) => server.close(resolve));
  return bytes;
};

/** Counts frames in flight and lets the sender wait until there are fewer. */
class Window {
  #inFlight = 0;
  #wake: (() => void) | null = null;

  add(): void {
    this.#inFlight += 1;
  }

  done(): void {
    this.#inFlight -= 1;
    this.#wake?.();
  }

  async below(limit: number): Promise<void> {
    while (this.#inFlight >= limit) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const send = async (from: Database, tenant: string, client: WebSocket): Promise<void> => {
  const window = new Window();
  client.on("message", () => window.done());
  let after: string | null = null;
  for (;;) {
    const page = await readPage(from, tenant, after);
    if (page.length === 0) break;
    after = page.at(-1)?.["id"] ?? null;
    await window.below(FRAMES_IN_FLIGHT_MAX);
    window.add();
    client.send(JSON.stringify(page));
  }
  await window.below(1);
};
