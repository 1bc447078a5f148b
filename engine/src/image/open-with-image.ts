import type { Catalog } from "../catalog/catalog.ts";
import { type HayloftError, isHayloftError } from "../error/hayloft-error.ts";
import { migrate } from "../migrate/migrate.ts";
import type { Migration } from "../migrate/migration.ts";
import type { Database } from "../store/database.ts";
import type { ImageParent } from "./fetch-image.ts";
import { imageKind } from "./image-kind.ts";
import type { ImageManifest } from "./image-manifest.ts";
import { proveImage } from "./prove-image.ts";
import { discardImage, forgetImage, type ImageStep, isEmptyStore, settleImage, takeImage, unprovenImage } from "./take-image.ts";

export interface ImageOpening {
  /** The directory that `openPgliteDatabase` is given. */
  readonly dataDir: string;
  /** Opens it; makes a new database where there is none. */
  readonly open: () => Promise<Database>;
  readonly catalog: Catalog;
  readonly migrations: readonly Migration[];
  readonly tier: string;
  readonly parent: ImageParent;
  /** Largest image taken. */
  readonly bytesMax: number;
  /** How long an empty store waits for its image. */
  readonly waitMs: number;
  readonly onStep?: (step: ImageStep) => void;
  /** Why there is no image, or why it was of no use. The store begins empty, and the rows come page by page. */
  readonly onRefused: (error: HayloftError) => void;
}

/**
 * Opens a store. An empty one begins as the parent's image of it, when the parent has one: then it holds its rows already, belongs to this node, and its session goes
 * on from where the image was made. Whatever goes wrong with an image, the store that is opened is an empty one. `fromImage` says that rows may be missing that the
 * tail brings. Throws what `open` throws.
 */
export async function openWithImage(
  opening: ImageOpening,
): Promise<{ readonly database: Database; readonly fromImage: boolean }> {
  const { dataDir, open, onRefused } = opening;
  if (await isEmptyStore(dataDir)) await tryImage(opening);
  const image = await unprovenImage(dataDir);
  if (image === null) {
    await forgetImage(dataDir);
    return { database: await open(), fromImage: false };
  }
  try {
    const database = await openProven(opening, image);
    await settleImage(dataDir);
    await forgetImage(dataDir);
    return { database, fromImage: true };
  } catch (error) {
    if (!isHayloftError(error) || error.code === "store-locked") throw error;
    onRefused(error);
    await discardImage(dataDir);
    return { database: await open(), fromImage: false };
  }
}

async function tryImage({
  dataDir,
  catalog,
  migrations,
  tier,
  parent,
  bytesMax,
  waitMs,
  onStep,
  onRefused,
}: ImageOpening): Promise<void> {
  const wish = { kind: imageKind(catalog, migrations), tier, bytesMax, signal: AbortSignal.timeout(waitMs) };
  try {
    await takeImage(dataDir, parent, wish, onStep);
  } catch (error) {
    if (!isHayloftError(error) || error.code === "store-locked") throw error;
    onRefused(error);
  }
}

/** Opens an image and makes it this node's. Throws `image-invalid` when it is not what its manifest says, and what `migrate` throws. */
async function openProven(opening: ImageOpening, image: ImageManifest): Promise<Database> {
  const { open, catalog, migrations, tier, parent } = opening;
  const database = await open();
  try {
    await proveImage(database, image, { catalog, node: parent.identity.nodeId, parent: parent.node, tenant: parent.tenant });
    await migrate(database, { catalog, migrations, nodeId: parent.identity.nodeId, tier });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
