export type { PgliteOptions } from "./open-pglite-database.ts";
export type { UpgradeStep } from "./upgrade-directory.ts";
export { openPgliteDatabase } from "./open-pglite-database.ts";
export { preparePglite } from "./pglite-program.ts";
export { checkpointWhenDue } from "./checkpoint.ts";
export { type TableSum, sumTables } from "./copy-database.ts";
export { copyRunning, type ImageSink } from "./running-image.ts";
export { syncPath, syncTree } from "./sync-path.ts";
