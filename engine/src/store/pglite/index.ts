export type { PgliteOptions } from "./open-pglite-database.ts";
export { openPgliteDatabase } from "./open-pglite-database.ts";
