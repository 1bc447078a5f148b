import { writeSync } from "node:fs";
import { replicaRebuild } from "../migrate/rebuild-database.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { fleetVersions } from "./fleet-versions.ts";

/**
 * A child process of the upgrade's tests: `upgrade-program.js <directory> <step>` opens a store of the fleet's second version and
 * kills itself, as a power switch would, when the move to the installed PGlite reaches the step. It says each step, and `open`.
 */
const [dataDir = "", killAt = ""] = process.argv.slice(2);

const database = await openPgliteDatabase({
  dataDir,
  durable: false,
  rebuild: replicaRebuild(fleetVersions[1].migrations),
  onUpgrade: (step) => {
    writeSync(1, `${step}\n`);
    if (step === killAt) process.kill(process.pid, "SIGKILL");
  },
});
writeSync(1, "open\n");
await database.close();
