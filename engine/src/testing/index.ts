export type { ChangedSetting } from "./changed-settings.ts";
export { changedSettings } from "./changed-settings.ts";
export { eachDatabase } from "./each-database.ts";
export { fleetVersions, type FleetVersion } from "./fleet-versions.ts";
export { freshPglite } from "./fresh-pglite.ts";
export { dropPostgres, freshPostgres, freshPostgresUrl } from "./fresh-postgres.ts";
export { tempDir } from "./temp-dir.ts";
export { checkRuleLaws } from "./check-rule-laws.ts";
