import path from "node:path";
import { HayloftError, isHayloftError } from "@hayloft/engine";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { takeUnsent } from "@hayloft/engine/salvage";
import { farmCatalog } from "@hayloft/schema";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { isDamaged, noteTaken, setDamagedAside, unfinishedStores } from "./damaged-stores.ts";
import type { EdgeLog } from "./edge-log.ts";
import { errorFields } from "./edge-log.ts";
import { type OpenedIdentity, openIdentity } from "./open-identity.ts";
import { runUntilFilled } from "./run-until-filled.ts";
import { openWaitingRoom } from "./waiting-room.ts";
import { type Edge, type EdgePorts, startEdge } from "./start-edge.ts";

/**
 * Starts the daemon, and before that brings a node back whose database is damaged: saves what can be read of its unsent work, keeps the database aside, fills a new one
 * from the hub, and puts the saved work into that. Until then no device and no child is served. Killed at any point, it goes on at the next
 * start. Throws what `startEdge` throws, and `store-damaged` where there is no hub to begin anew from.
 */
export async function startRecovered(config: EdgeConfig, ports: EdgePorts & { readonly log: EdgeLog }): Promise<Edge> {
  await recoverStore(config, ports.log);
  try {
    return await startEdge(config, ports);
  } catch (error) {
    if (!isHayloftError(error, "store-damaged") || !isDamaged(config.data_dir)) throw error;
    ports.log.write("error", "store-damaged", errorFields(error));
    await recoverStore(config, ports.log);
    return await startEdge(config, ports);
  }
}

async function recoverStore(config: EdgeConfig, log: EdgeLog): Promise<void> {
  const { data_dir: dataDir } = config;
  if (!isDamaged(dataDir) && unfinishedStores(dataDir).length === 0) return;
  const { identity, tenant, parent } = await openIdentity(config);
  if (parent === null) {
    const reason = "in mode standalone there is no hub to begin anew from: restore a backup into an empty directory";
    throw new HayloftError("store-damaged", { reason });
  }
  const room = await openWaitingRoom(config);
  try {
    await bringBack(config, { identity, tenant }, log);
  } finally {
    await room.close();
  }
}

/** Every step is done once, however often this is begun. */
async function bringBack(
  config: EdgeConfig,
  { identity, tenant }: Pick<OpenedIdentity, "identity" | "tenant">,
  log: EdgeLog,
): Promise<void> {
  const { data_dir: dataDir } = config;
  const aside = await setDamagedAside(dataDir, { tenant, node: identity.nodeId });
  if (aside !== null) log.write("error", "store-set-aside", { directory: aside.directory, ...aside.salvaged });
  const waiting = unfinishedStores(dataDir);
  if (waiting.length === 0) return;
  log.write("warn", "store-begins-anew", { waiting: waiting.length });
  const rows = await runUntilFilled(config, { log }, Number.POSITIVE_INFINITY);
  const database = await openPgliteDatabase({ dataDir: path.join(dataDir, "database") });
  try {
    for (const store of waiting) {
      const of = { database, catalog: farmCatalog, node: identity.nodeId, tier: identity.tier };
      const taken = await takeUnsent({ ...of, file: store.unsent });
      await noteTaken(dataDir, store, taken);
      log.write("warn", "store-recovered", { directory: store.directory, rows, ...taken });
    }
  } finally {
    await database.close();
  }
}
