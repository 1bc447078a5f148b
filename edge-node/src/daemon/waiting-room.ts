import type { EdgeHttpServer } from "../http/http-server.ts";
import { startHttpServer } from "../http/http-server.ts";
import { json, type Route } from "../http/http-routes.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { damagedStores } from "./damaged-stores.ts";
import type { Readiness } from "./edge-status.ts";

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Hayloft edge</title></head>
<body><h1>This node's database was damaged on the disk</h1>
<p>What had not been sent is saved as far as it can be read, the damaged database is kept, and a new one is filled from the hub. Until that is done devices keep their messages. The log says how far it is.</p></body></html>`;

/** Answers at the daemon's address while the node begins anew after damage: alive, not ready, and why. */
export async function openWaitingRoom(config: EdgeConfig): Promise<EdgeHttpServer> {
  const kept = (): readonly string[] => damagedStores(config.data_dir);
  const readiness = (): Readiness => ({
    ready: false,
    problems: [{ part: "database", problem: "store-damaged" }],
    degraded: kept().map((directory) => ({ part: "store", problem: `damaged, kept in ${directory}` })),
  });
  const get = (path: string, answer: Route["answer"]): Route => ({ method: "GET", path, admin: false, answer });
  return await startHttpServer(config, [
    get("/", async () => await Promise.resolve({ status: 503, contentType: "text/html; charset=utf-8", body: PAGE })),
    get("/api/health", async () => await Promise.resolve(json({ status: "ok" }))),
    get("/api/ready", async () => await Promise.resolve(json(readiness(), 503))),
    get("/metrics", async () => {
      const body = `edge_ready 0\nstore_damaged_kept ${kept().length}\n`;
      return await Promise.resolve({ status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body });
    }),
  ]);
}
