import { rm } from "node:fs/promises";
import path from "node:path";
import type { Catalog } from "../catalog/catalog.ts";
import { migrate, unownedNode } from "../migrate/migrate.ts";
import type { Migration } from "../migrate/migration.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { type LogEnd, type PackedDirectory, packDirectory } from "./pack-directory.ts";
import { shrinkCluster } from "./shrink-cluster.ts";

export interface EmptyImageOrder {
  readonly catalog: Catalog;
  readonly migrations: readonly Migration[];
  /** Of the nodes that begin with it. */
  readonly tier: string;
  /** A directory that nobody else uses; it is emptied before and after. */
  readonly scratch: string;
  /** Where the image is put; must not exist. */
  readonly file: string;
}

/** PGlite puts the names behind its directory as they are. */
const ROOT = "/";

/**
 * Makes the image of a store with all tables and no row, for whoever ships an application with its schema: `openBrowserDatabase` and
 * `openPgliteDatabase` begin a new store with it, which then belongs to the node that opens it. A catalog or migrations that came later than the image are brought in at the opening, as in any store.
 */
export async function makeEmptyImage(order: EmptyImageOrder): Promise<PackedDirectory> {
  const { catalog, migrations, tier, scratch, file } = order;
  await rm(scratch, { recursive: true, force: true });
  try {
    // A power cut may take it: it is made again.
    const database = await openPgliteDatabase({ dataDir: scratch, durable: false });
    let end: LogEnd;
    try {
      await migrate(database, { catalog, migrations, nodeId: unownedNode, tier });
      await database.script("analyze");
      end = await shrinkCluster(database);
    } finally {
      await database.close();
    }
    return await packDirectory(path.join(scratch, "pgdata"), file, end, ROOT);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
