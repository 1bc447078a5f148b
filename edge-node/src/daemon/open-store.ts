import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Database, HayloftError, NodeIdentity, ParentAddress } from "@hayloft/engine";
import { prepareMigration, replicaRebuild } from "@hayloft/engine";
import { openWithImage } from "@hayloft/engine/image";
import { openPgliteDatabase } from "@hayloft/engine/pglite";
import { wsDial } from "@hayloft/engine/ws";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import type { EdgeLog } from "./edge-log.ts";
import { errorFields } from "./edge-log.ts";

export interface StoreParts {
  readonly config: EdgeConfig;
  readonly identity: NodeIdentity;
  readonly tenant: string;
  /** The hub; null in mode standalone. */
  readonly parent: ParentAddress | null;
  readonly log: EdgeLog;
  readonly onFatal: ((error: HayloftError) => void) | undefined;
}

/** A database that was opened, and whether rows may be missing in it that the hub's tail brings. */
export interface OpenedStore {
  readonly database: Database;
  readonly fromImage: boolean;
}

/** All pages are read once a day, and at each start. */
const CHECK_EVERY_MS = 86_400_000;
const BYTES_MAX = 64 * 2 ** 30;

/**
 * Opens the database in `data_dir`. That of a node which has none begins as the image that the hub has prepared for it, when there is one;
 * else it is empty. Throws `config-invalid` for an address that must not be used, and what `openPgliteDatabase` throws.
 */
export async function openStore({ config, identity, tenant, parent, log, onFatal }: StoreParts): Promise<OpenedStore> {
  const dataDir = path.join(config.data_dir, "database");
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const rebuild = replicaRebuild(farmMigrations);
  const onUpgrade = (step: string): void => log.write("info", "store-upgrade", { step });
  const whileOpening = (): void => prepareMigration(farmCatalog, identity.tier);
  const open = async (): Promise<Database> =>
    await openPgliteDatabase({
      dataDir,
      rebuild,
      onUpgrade,
      whileOpening,
      checkEveryMs: CHECK_EVERY_MS,
      ...(onFatal === undefined ? {} : { onFatal }),
    });
  // An address that must not be dialled must not be asked for an image either.
  if (parent !== null) wsDial(parent);
  const waitSeconds = config["image.wait_seconds"];
  if (parent === null || waitSeconds === 0) return { database: await open(), fromImage: false };
  return await openWithImage({
    dataDir,
    open,
    catalog: farmCatalog,
    migrations: farmMigrations,
    tier: identity.tier,
    parent: { ...parent, url: imageUrl(parent), identity, tenant, ca: parent.ca ?? null },
    bytesMax: BYTES_MAX,
    waitMs: waitSeconds * 1_000,
    onStep: (step) => log.write("info", "image", { step }),
    onRefused: (error) => log.write(error.code === "not-found" ? "info" : "warn", "no-image", errorFields(error)),
  });
}

function imageUrl(parent: ParentAddress): URL {
  const url = new URL(parent.url);
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  url.pathname = "/api/v1/image";
  url.search = "";
  return url;
}
