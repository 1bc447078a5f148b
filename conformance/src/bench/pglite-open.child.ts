import { writeSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";

/** PGlite alone: opens a directory, answers one query, says `ready`, and closes on SIGTERM. */
const database = await PGlite.create(process.argv[2] ?? "");
await database.query("select 1");
process.once("SIGTERM", () => {
  void database.close().then(() => process.exit(0));
});
// What keeps the process until then.
setInterval(() => undefined, 60_000);
writeSync(1, "ready\n");
