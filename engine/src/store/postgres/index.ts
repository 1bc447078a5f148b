export type { EmbeddedPostgresOptions, EmbeddedPostgresServer } from "./embedded-postgres.ts";
export { startEmbeddedPostgres } from "./embedded-postgres.ts";
export type { PostgresOptions } from "./open-postgres-database.ts";
export { openPostgresDatabase } from "./open-postgres-database.ts";
export type { SecondSite, StoredElsewhere } from "./stored-elsewhere.ts";
export { readStoredElsewhere } from "./stored-elsewhere.ts";
export type { PoolUse } from "./pool-use.ts";
export { poolUse } from "./pool-use.ts";
