import type { Server } from "node:http";
import path from "node:path";
import type { Clock, Database, Log, Replica } from "@hayloft/engine";
import { openReplica, systemClock } from "@hayloft/engine";
import { FileBlobStore } from "@hayloft/engine/blob";
import { serveChildren } from "@hayloft/engine/ws";
import type { FarmRows } from "@hayloft/schema";
import { auditQuarantine, farmCatalog, farmMigrations, mediaBytesMax } from "@hayloft/schema";
import { activeTenants } from "../admin/tenants.ts";
import { isLoopback } from "../config/check-hub-settings.ts";
import type { HubSettings } from "../config/hub-settings.ts";
import { readHubSecrets } from "../config/hub-secrets.ts";
import { hubSettingsOf } from "../config/load-hub-settings.ts";
import type { HubDatabase } from "../database/open-hub-database.ts";
import { openHubDatabase } from "../database/open-hub-database.ts";
import { createHubServer, listen } from "../http/hub-server.ts";
import { hubRoutes } from "../http/hub-routes.ts";
import type { HubImages } from "../images/hub-images.ts";
import { HubMedia } from "../media/hub-media.ts";
import { HubState } from "./hub-state.ts";
import { hubVersion } from "./hub-version.ts";
import { isSuperuser, prepareDatabase } from "./prepare-database.ts";

export interface StartHubOptions {
  /** Replaces `database.url`; may hold a password. */
  readonly databaseUrl?: string;
  readonly log?: Log;
  readonly clock?: Clock;
}

/** A running hub. */
export interface Hub {
  /** `http://host:port` or `https://…`, as this machine reaches it. */
  readonly url: string;
  readonly httpUrl: string;
  /** `ws://host:port/sync` or `wss://…`. */
  readonly syncUrl: string;
  /** With its password. */
  readonly databaseUrl: string;
  readonly nodeId: string;
  readonly publicKey: Uint8Array;
  readonly database: Database;
  readonly replica: Replica<FarmRows>;
  /** Prepared databases for new nodes; made by themselves every minute. */
  readonly images: HubImages;
  /** Resolves when the embedded server has ended, stopped or by itself; null for an external one. */
  readonly databaseEnded: Promise<void> | null;
  /** Drains the sessions, then closes everything; safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a hub: opens (or embeds) its database, migrates it, serves HTTP and sync. What it cannot do it says at the start:
 * `config-invalid`, `store-locked`, `unavailable`, and what `migrate` throws. Nothing is left running then.
 */
export async function startHub(given: Partial<HubSettings> = {}, options: StartHubOptions = {}): Promise<Hub> {
  const settings = hubSettingsOf(given);
  const undo: (() => Promise<void>)[] = [];
  try {
    return await start(settings, options, undo);
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    throw error;
  }
}

async function start(settings: HubSettings, options: StartHubOptions, undo: (() => Promise<void>)[]): Promise<Hub> {
  const log = options.log ?? (() => undefined);
  const clock = options.clock ?? systemClock;
  const secrets = readHubSecrets(settings);
  const opened = await openHubDatabase(settings, {
    ...(options.databaseUrl === undefined ? {} : { connectionString: options.databaseUrl }),
    attach: false,
    applicationName: "hayloft-hub",
  });
  undo.push(async () => await opened.close());
  const { database } = opened;
  const { identity, applied } = await prepareDatabase(database, settings.identity_file);
  await reportDatabase(opened, applied, log);
  const replica = await openReplica({
    catalog: farmCatalog,
    migrations: farmMigrations,
    database,
    identity,
    clock,
    log,
    admittedTenants: async (tenants) => await activeTenants(database, tenants),
    onQuarantineAction: auditQuarantine,
  });
  undo.push(async () => await replica.close());
  // By the hub's id: hubs on one database share it, and hubs on others never touch each other's files.
  const directory = path.join(settings["media.dir"] ?? path.join(settings.data_dir, "media"), identity.nodeId);
  const blobs = new FileBlobStore(directory, { bytesMax: mediaBytesMax });
  const state = new HubState(settings, { database, blobs, identity }, replica, clock, log);
  const media = new HubMedia({ database, blobs, identity, clock });
  const { images } = state;
  const of = { settings, database, identity, adminToken: secrets.adminToken, version: hubVersion() };
  const routes = hubRoutes({ ...of, state, media, images });
  const server = createHubServer({ tls: secrets.tls, log, routes });
  const children = serveChildren(replica, {
    server,
    origins: settings["http.origins"],
    trustedProxies: settings["http.trusted_proxies"],
  });
  undo.push(async () => await children.close());
  const port = await listen(server, settings["http.host"], settings["http.port"]);
  const jobs = state.startJobs();
  const stop = onceAsync(async () => {
    state.draining = true;
    images.stop();
    await Promise.all(jobs.map(async (job) => await job.stop()));
    await settledWithin(replica.drain(settings["shutdown.reconnect_after_ms"]), settings["shutdown.timeout_seconds"] * 1_000);
    await children.close();
    await closeServer(server);
    await replica.close();
    await opened.close();
  });
  const url = urlOf(settings, secrets.tls !== null, port);
  const details = { url, node: identity.nodeId, embedded: opened.embedded };
  log({ level: "info", event: "hub-ready", peer: null, details, error: null });
  return {
    url,
    httpUrl: url,
    syncUrl: `${url.replace(/^http/, "ws")}/sync`,
    databaseUrl: opened.connectionString,
    nodeId: identity.nodeId,
    publicKey: identity.publicKey,
    database,
    replica,
    images,
    databaseEnded: opened.ended,
    stop,
  };
}

async function reportDatabase(opened: HubDatabase, applied: readonly string[], log: Log): Promise<void> {
  if (applied.length > 0)
    log({ level: "info", event: "migrated", peer: null, details: { applied: applied.join(" ") }, error: null });
  if (await isSuperuser(opened.database)) {
    const todo = "Use a role without superuser; hayloft-hub roles prints the statements.";
    log({ level: "warn", event: "database-superuser", peer: null, details: { todo }, error: null });
  }
  if (opened.database.durability !== "D3") {
    const todo = "Set fsync = on at the server: a power cut there takes what nodes were told to be safe.";
    log({ level: "warn", event: "database-not-durable", peer: null, details: { todo }, error: null });
  }
}

function urlOf(settings: HubSettings, tls: boolean, port: number): string {
  const host = settings["http.host"];
  const shown = isLoopback(host) || !["0.0.0.0", "::"].includes(host) ? host : "127.0.0.1";
  return `${tls ? "https" : "http"}://${shown.includes(":") ? `[${shown}]` : shown}:${port}`;
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 2_000).unref();
  });
}

/** Waits for `work`, but not longer than `ms`: a session that does not end is cut. */
async function settledWithin(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

function onceAsync(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return async () => await (running ??= work());
}
