import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { trainProgram } from "../store/pglite/keep-program.ts";

/** A child process of a test: `training-program.js <draft>` works a little on a database in memory and writes PGlite's code into the draft. */
const [draft = ""] = process.argv.slice(2);
await trainProgram(draft, async () => {
  const database = await openPgliteDatabase({ dataDir: null });
  for (let turn = 0; turn < 300; turn += 1) await database.query("select count(*) from pg_class where relname = $1", ["x"]);
  await database.close();
});
process.exit(0);
