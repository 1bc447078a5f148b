import { rm } from "node:fs/promises";
import path from "node:path";
import type { Catalog } from "../catalog/catalog.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { NodeIdentity } from "../identity/node-identity.ts";
import { migrate, unownedNode } from "../migrate/migrate.ts";
import type { Migration } from "../migrate/migration.ts";
import type { Cursor, Grant } from "../replica/replica-storage.ts";
import { SqlReplicaStorage } from "../replica/sql-replica-storage.ts";
import { grantText } from "../scope/grant-text.ts";
import type { Database } from "../store/database.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { fillImage, type ImageSource } from "./fill-image.ts";
import { imageKey, imageKind } from "./image-kind.ts";
import { type ImageManifest, signManifest, type SignedManifest } from "./image-manifest.ts";
import { packDirectory } from "./pack-directory.ts";
import { shrinkCluster } from "./shrink-cluster.ts";

export interface ImageOrder {
  readonly catalog: Catalog;
  readonly migrations: readonly Migration[];
  readonly grant: Grant;
  readonly source: ImageSource;
  /** The node that signs it: the source's. */
  readonly identity: NodeIdentity;
  /** A directory that nobody else uses; it is emptied before and after. */
  readonly scratch: string;
  /** Where the image is put; must not exist. */
  readonly file: string;
  readonly nowMs: number;
}

/**
 * Makes the image of a replica with this grant: a database as its child's would be after a first sync, which belongs to nobody. `file` is
 * whole and durable when it resolves. Costs one PGlite, about 300 MB of memory and the disk for all of it, however many rows there are.
 * Throws `unavailable` when another attempt may succeed, and what the store throws.
 */
export async function makeImage(
  order: ImageOrder,
): Promise<{ readonly manifest: ImageManifest; readonly signed: SignedManifest }> {
  const { catalog, migrations, grant, scratch, file, identity, nowMs } = order;
  await rm(scratch, { recursive: true, force: true });
  try {
    const { cursors, end } = await fillScratch(order);
    const packed = await packDirectory(path.join(scratch, "pgdata"), file, end);
    const kind = imageKind(catalog, migrations);
    const granted = grantText(grant);
    const places = cursors.map(({ tenant, incarnation, position }) => ({ tenant, incarnation, position }));
    const key = imageKey(kind, granted);
    const manifest = { ...kind, key, maker: identity.nodeId, granted, cursors: places, madeAtMs: nowMs, ...packed };
    return { manifest, signed: signManifest(identity, manifest) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function fillScratch({ catalog, migrations, grant, source, scratch }: ImageOrder) {
  // A power cut may take it: it is made again.
  const database = await openPgliteDatabase({ dataDir: scratch, durable: false });
  try {
    await migrate(database, { catalog, migrations, nodeId: unownedNode, tier: grant.tier });
    const target = new SqlReplicaStorage({ database, catalog, nodeId: unownedNode, tier: grant.tier, hasParent: true });
    const cursors: readonly Cursor[] = await fillImage(source, target, catalog, grant);
    await cleanImage(database, source.node);
    return { cursors, end: await shrinkCluster(database) };
  } finally {
    await database.close();
  }
}

/** Tables of the engine that say something of one replica's own life. */
const ownLife = ["quarantine", "staged", "outcome", "loss", "eviction", "incarnation", "reissued", "recovery", "gap"] as const;

/**
 * Holds an image to what it may be: rows of the grant, how far they go, and nothing else. A row that came and went leaves its bytes in the
 * files, so an image from which something had to be removed again is none.
 */
async function cleanImage(database: Database, parent: string): Promise<void> {
  const counts = ownLife.map((table) => `select '${table}' as what, count(*) as count from hayloft.${table}`);
  const { rows } = await database.query<{ what: string; count: number }>(
    `select what, count from (${counts.join(" union all ")}
      union all select 'own commits', count(*) from hayloft.commit where via is null
      union all select 'own commits', count(*) from hayloft.head where seq > 0
      union all select 'other peers', count(*) from hayloft.peer where node_id <> $1::uuid or snapshot_cursor is not null or refill_due or purge_due
    ) found where count > 0`,
    [parent],
  );
  if (rows.length > 0)
    throw new HayloftError("unavailable", { reason: "not clean", found: rows.map(({ what }) => what).join(", ") });
  await database.script("delete from hayloft.progress; update hayloft.peer set last_contact_at = null, acked_at = null; analyze");
}
