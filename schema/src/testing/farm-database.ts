import type { Database } from "@hayloft/engine";
import type { OpenDatabase, Preparation } from "@hayloft/engine/testing";
import { preparedCatalog } from "@hayloft/engine/testing";
import { farmCatalog } from "../farm-catalog.ts";
import { farmMigrations } from "../migrations/farm-migrations.ts";

type Tier = "cloud" | "edge" | "tablet";

/** The farm's schema on a tier, for whichever node migrates it next. */
export const preparedFarm = (tier: Tier): Preparation => preparedCatalog(farmCatalog, tier, { migrations: farmMigrations });

/** A test database with the farm's schema. */
export async function farmDatabase(open: OpenDatabase, tier: Tier = "edge"): Promise<Database> {
  return await open(preparedFarm(tier));
}
