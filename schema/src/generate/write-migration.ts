import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { catalogDdl } from "@hayloft/engine";
import { farmCatalog } from "../farm-catalog.ts";
import { farmMigrations } from "../migrations/farm-migrations.ts";
import { checksumsSource, initialMigrationSource } from "./migration-text.ts";

// Until the first release the initial migration follows the catalog. After it, a change of the catalog is a new migration.
const source = (name: string): string => fileURLToPath(new URL(`../../src/migrations/${name}`, import.meta.url));
const current = farmMigrations.map((item) =>
  item.name === "0001_initial" ? { ...item, sql: `\n${catalogDdl(farmCatalog)}` } : item,
);
writeFileSync(source("0001-initial.ts"), initialMigrationSource(farmCatalog));
writeFileSync(source("checksums.ts"), checksumsSource(current));
