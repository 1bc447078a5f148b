import type { SignedReport, TableDigest } from "@hayloft/engine";
import type { EdgeStatus, Readiness } from "../daemon/edge-status.ts";
import { answered } from "./answered.ts";
import { type BackupPort, backupRoutes } from "./backup-routes.ts";
import { type JournalPort, journalRoutes } from "./journal-routes.ts";
import { type QuarantinePort, quarantineRoutes } from "./quarantine-routes.ts";
import { type ReviewPort, reviewRoutes } from "./review-routes.ts";
import type { Route } from "./http-routes.ts";
import { errorReply, json, limitOf } from "./http-routes.ts";
import { statusPage } from "./status-page.ts";

/** What the endpoints need of the running daemon. */
export interface EdgePort {
  readiness(): Promise<Readiness>;
  status(): Promise<EdgeStatus>;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** A digest per table that travels, over the barn's own rows: equal to the hub's when both hold the same. */
  digests(): Promise<readonly TableDigest[]>;
  /** Compares all rows with the hub's, sets right what is damaged, and tells what was found in a signed report. */
  verify(): Promise<SignedReport>;
  readonly quarantine: QuarantinePort;
  readonly journal: JournalPort;
  readonly reviews: ReviewPort;
  readonly backups: BackupPort;
  refused(limit: number): Promise<readonly Readonly<Record<string, unknown>>[]>;
  blocks(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Blocks a device or station on this site at once, link or no link. */
  block(kind: "device" | "station", id: string, reason: string | null): Promise<void>;
  /** False when it was not blocked. */
  unblock(kind: "device" | "station", id: string): Promise<boolean>;
}

const LIST_DEFAULT = 100;
const LIST_MAX = 1000;
const ID_LENGTH_MAX = 128;

/** The daemon's endpoints. Those that change something or show values of rows need the admin token. */
export function edgeRoutes(edge: EdgePort): readonly Route[] {
  const get = (path: string, answer: Route["answer"]): Route => ({ method: "GET", path, admin: false, answer });
  return [
    get("/", async () => ({ status: 200, contentType: "text/html; charset=utf-8", body: statusPage(await edge.status()) })),
    get("/api/health", async () => json({ status: "ok" })),
    get("/api/ready", async () => {
      const readiness = await edge.readiness();
      return json(readiness, readiness.ready ? 200 : 503);
    }),
    get("/metrics", async () => {
      const { contentType, text } = await edge.metrics();
      return { status: 200, contentType, body: text };
    }),
    get("/api/v1/status", async () => json(await edge.status())),
    get("/api/v1/sync/state", async () => {
      const { mode, durability, filling, backlog, quarantined, held, peers } = await edge.status();
      return json({ mode, durability, filling, backlog, quarantined, held, peers });
    }),
    get("/api/v1/sync/digest", async () => json({ tables: await edge.digests() })),
    { method: "POST", path: "/api/v1/sync/verify", admin: true, answer: async () => await answered(() => edge.verify()) },
    ...quarantineRoutes(edge.quarantine),
    ...journalRoutes(edge.journal),
    ...reviewRoutes(edge.reviews),
    ...backupRoutes(edge.backups),
    get("/api/v1/ingress/refused", async ({ query }) =>
      json({ items: await edge.refused(limitOf(query, LIST_DEFAULT, LIST_MAX)) }),
    ),
    ...blockRoutes(edge),
  ];
}

function blockRoutes(edge: EdgePort): readonly Route[] {
  const kindOf = (text: string | undefined): "device" | "station" | null =>
    text === "device" || text === "station" ? text : null;
  const invalid = errorReply(400, "bad-request", `Name a device or a station, and an id of at most ${ID_LENGTH_MAX} characters.`);
  return [
    { method: "GET", path: "/api/v1/ingress/blocks", admin: false, answer: async () => json({ items: await edge.blocks() }) },
    {
      method: "POST",
      path: "/api/v1/ingress/blocks/:kind/:id",
      admin: true,
      answer: async ({ body }, { kind, id = "" }) => {
        const checked = kindOf(kind);
        if (checked === null || id === "" || id.length > ID_LENGTH_MAX) return invalid;
        await edge.block(checked, id, reasonOf(body));
        return json({ blocked: true });
      },
    },
    {
      method: "DELETE",
      path: "/api/v1/ingress/blocks/:kind/:id",
      admin: true,
      answer: async (_request, { kind, id = "" }) => {
        const checked = kindOf(kind);
        if (checked === null) return invalid;
        return (await edge.unblock(checked, id)) ? json({ blocked: false }) : errorReply(404, "not-found", "It is not blocked.");
      },
    },
  ];
}

function reasonOf(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("reason" in body) || typeof body.reason !== "string") return null;
  return body.reason.slice(0, 500);
}
