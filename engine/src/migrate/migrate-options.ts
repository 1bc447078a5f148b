import type { Catalog } from "../catalog/catalog.ts";
import type { CommitLimits } from "../sql/record-change-ddl.ts";
import type { Migration } from "./migration.ts";

export interface MigrateOptions {
  readonly catalog: Catalog;
  readonly migrations: readonly Migration[];
  /** `unownedNode` prepares a database that the next node to migrate it owns. */
  readonly nodeId: string;
  readonly tier: string;
  /** What one local transaction may change at most; default 1,000,000 rows and 256 MiB. */
  readonly limits?: CommitLimits;
}
