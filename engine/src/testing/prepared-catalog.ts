import { catalogHash } from "../catalog/catalog-hash.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { sha256 } from "../commit/sha256.ts";
import { type MigrateOptions, migrate, unownedNode } from "../migrate/migrate.ts";
import { captureDdl } from "../sql/capture-ddl.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import { defaultCommitLimits } from "../sql/record-change-ddl.ts";
import type { Preparation } from "./preparation.ts";

/** A database of a catalog and tier, owned by `nodeId` or else by the node that migrates it next. */
export function preparedCatalog(
  catalog: Catalog,
  tier: string,
  options: Partial<Pick<MigrateOptions, "migrations" | "nodeId" | "limits">> = {},
): Preparation {
  const { nodeId = unownedNode, limits = defaultCommitLimits } = options;
  const migrations = options.migrations ?? [{ name: "0001_initial", sql: catalogDdl(catalog) }];
  const texts = [...migrations.map(({ name, sql }) => `${name}\n${sql}`), captureDdl(catalog, tier, limits)];
  const made = [sha256(texts.join("\n")), catalogHash(catalog)].map((hash) => Buffer.from(hash).toString("hex"));
  return {
    key: [...made, catalog.name, tier, nodeId].join(" "),
    prepare: async (database) => void (await migrate(database, { catalog, migrations, nodeId, tier, limits })),
  };
}
