import type { Database } from "@hayloft/engine";
import { migrate, newId } from "@hayloft/engine";
import { farmCatalog } from "../farm-catalog.ts";
import { farmMigrations } from "../migrations/farm-migrations.ts";

/** Brings an empty test database to the farm's schema. */
export async function migrateFarm(database: Database, tier: "cloud" | "edge" | "tablet" = "edge"): Promise<Database> {
  await migrate(database, { catalog: farmCatalog, migrations: farmMigrations, nodeId: newId(), tier });
  return database;
}
