import type { IncomingMessage } from "node:http";
import type { Database, NodeIdentity } from "@hayloft/engine";
import { networkOf, remoteAddress, trustedProxies } from "@hayloft/engine/ws";
import { HayloftError } from "@hayloft/engine";
import type { HubSettings } from "../config/hub-settings.ts";
import { listNodes } from "../admin/nodes.ts";
import type { NodeWatch } from "../admin/nodes.ts";
import { enrolNode } from "../enrol/enrol-node.ts";
import { parseEnrolRequest } from "../enrol/enrol-request.ts";
import { RateLimiter } from "../enrol/rate-limiter.ts";
import type { Readiness } from "../watch/readiness.ts";
import type { HubImages } from "../images/hub-images.ts";
import type { HubMedia } from "../media/hub-media.ts";
import { assertAdmin } from "./admin-access.ts";
import type { Route } from "./hub-server.ts";
import { readJsonBody } from "./read-json-body.ts";

/** What the routes ask of the running hub. */
interface HubRoutesState {
  nowMs(): number;
  readiness(): Promise<Readiness>;
  watch(): NodeWatch;
  metricsText(): Promise<string>;
  noteEnrolment(outcome: string, node: string | null, address: string): void;
}

export interface HubRoutesOptions {
  readonly settings: HubSettings;
  readonly database: Database;
  readonly identity: NodeIdentity;
  readonly adminToken: string | null;
  readonly version: string;
  readonly state: HubRoutesState;
  readonly media: HubMedia;
  readonly images: HubImages;
}

const ENROL_BYTES_MAX = 16 * 1024;

/** The hub's HTTP interface. */
export function hubRoutes(options: HubRoutesOptions): readonly Route[] {
  const { state } = options;
  const limiter = new RateLimiter(options.settings["enrol.attempts_per_minute"]);
  return [
    {
      method: "POST",
      path: "/api/v1/enrol",
      handle: async (request) => ({ status: 200, body: await enrol(options, limiter, request) }),
    },
    {
      method: "GET",
      path: "/api/health",
      handle: async () => ({ status: 200, body: { status: "ok", service: "hayloft-hub", version: options.version } }),
    },
    {
      method: "GET",
      path: "/api/ready",
      handle: async () => {
        const readiness = await state.readiness();
        return {
          status: readiness.ready ? 200 : 503,
          body: { status: readiness.ready ? "ready" : "unready", reason: readiness.reason },
        };
      },
    },
    {
      method: "GET",
      path: "/metrics",
      handle: async (request) => {
        assertAdmin(request, options.adminToken);
        return { status: 200, body: await state.metricsText() };
      },
    },
    ...(["HEAD", "PATCH"] as const).map((method) => ({
      method,
      path: "/api/v1/media/upload",
      handle: async (request: IncomingMessage) => await options.media.take(request),
    })),
    {
      method: "GET",
      path: "/api/v1/image",
      handle: async (request) => await options.images.give(request),
    },
    {
      method: "GET",
      path: "/api/v1/media/bytes",
      handle: async (request) => {
        assertAdmin(request, options.adminToken);
        const query = new URL(request.url ?? "/", "http://hub").searchParams;
        const [tenant, media, variant] = ["tenant", "media_id", "variant"].map((name) => query.get(name) ?? "");
        return await options.media.show(tenant ?? "", media ?? "", variant === "" ? "original" : (variant ?? ""));
      },
    },
    {
      method: "GET",
      path: "/api/v1/nodes",
      handle: async (request) => {
        assertAdmin(request, options.adminToken);
        const tenant = new URL(request.url ?? "/", "http://hub").searchParams.get("tenant");
        return { status: 200, body: { nodes: await listNodes(options.database, tenant, state.watch()) } };
      },
    },
  ];
}

async function enrol(options: HubRoutesOptions, limiter: RateLimiter, request: IncomingMessage): Promise<unknown> {
  const address = remoteAddress(request, trustedProxies(options.settings["http.trusted_proxies"]));
  try {
    const retryMs = limiter.take(networkOf(address), options.state.nowMs());
    if (retryMs > 0) throw new HayloftError("limit-reached", { limit: "enrol.attempts_per_minute", retryMs });
    const wanted = parseEnrolRequest(await readJsonBody(request, ENROL_BYTES_MAX));
    const node = await enrolNode(options.database, wanted, options.state.nowMs());
    options.state.noteEnrolment(node.replaces === null ? "enrolled" : "replaced", node.nodeId, address);
    return {
      ...node,
      hubNode: options.identity.nodeId,
      hubPublicKey: Buffer.from(options.identity.publicKey).toString("base64url"),
      syncUrl: syncUrlOf(options.settings, request),
    };
  } catch (error) {
    options.state.noteEnrolment(error instanceof HayloftError ? error.code : "internal-error", null, address);
    throw error;
  }
}

/** Where the node shall dial: the configured address, or the one by which it has just reached us. */
function syncUrlOf(settings: HubSettings, request: IncomingMessage): string {
  const tls = settings["http.tls_cert_file"] !== null;
  const reached = `${tls ? "https" : "http"}://${request.headers.host ?? ""}`;
  const base = settings["http.public_url"] ?? (URL.canParse(reached) ? reached : null);
  if (base === null) throw new HayloftError("request-invalid", { part: "host" });
  const url = new URL("sync", base.endsWith("/") ? base : `${base}/`);
  return url.href.replace(/^http/, "ws");
}
