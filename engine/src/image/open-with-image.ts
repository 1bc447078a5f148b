import type { Catalog } from "../catalog/catalog.ts";
import { HayloftError, isHayloftError } from "../error/hayloft-error.ts";
import { migrate, unownedNode } from "../migrate/migrate.ts";
import type { Migration } from "../migrate/migration.ts";
import type { Database } from "../store/database.ts";
import type { ImageParent } from "./fetch-image.ts";
import { imageKind } from "./image-kind.ts";
import type { ImageManifest } from "./image-manifest.ts";
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
async function openProven({ open, catalog, migrations, tier, parent }: ImageOpening, image: ImageManifest): Promise<Database> {
  const database = await open();
  try {
    await prove(database, image, parent);
    await migrate(database, { catalog, migrations, nodeId: parent.identity.nodeId, tier });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function prove(database: Database, image: ImageManifest, { identity, node }: ImageParent): Promise<void> {
  const { rows } = await database.query<{ owner: string; own: number; strangers: number }>(
    `select (select node_id::text from hayloft.replica) as owner,
      (select count(*) from hayloft.head where seq > 0) as own,
      (select count(*) from hayloft.peer where node_id <> $1::uuid or relation <> 'parent' or granted is distinct from $2 and tenant_id = $3) as strangers`,
    [node, image.granted, tenantOf(image)],
  );
  const [found] = rows;
  // Owned by this node: it was killed between taking possession and noting that.
  if (found?.owner === identity.nodeId) return;
  if (found?.owner !== unownedNode || found.own > 0 || found.strangers > 0)
    throw new HayloftError("image-invalid", { reason: "it belongs to another node" });
  const cursors = await database.query<{ tenant: string; incarnation: string; position: number }>(
    `select tenant_id as tenant, received_incarnation::text as incarnation, received_position as position from hayloft.peer
    where received_position is not null order by tenant_id`,
  );
  const listed = image.cursors.map(({ tenant, incarnation, position }) => ({ tenant, incarnation, position }));
  const sorted = listed.toSorted((left, right) => (left.tenant < right.tenant ? -1 : 1));
  if (JSON.stringify(cursors.rows) !== JSON.stringify(sorted))
    throw new HayloftError("image-invalid", { reason: "it is from another time than its manifest" });
}

const tenantOf = ({ granted }: ImageManifest): string => (JSON.parse(granted) as [string])[0];
