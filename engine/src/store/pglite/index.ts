export type { PgliteOptions } from "./open-pglite-database.ts";
export type { UpgradeStep } from "./upgrade-directory.ts";
export { openPgliteDatabase } from "./open-pglite-database.ts";
