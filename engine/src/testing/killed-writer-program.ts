import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";

/**
 * A child process of the tests of crashes: `killed-writer-program.js <directory>` writes a note of the fleet's catalog, seals it, and
 * kills itself before the commit.
 */
const database = await openPgliteDatabase({ dataDir: process.argv[2] ?? "" });
await database.transaction(async (tx) => {
  await tx.query("insert into note (tenant_id, id, body) values ('t', 'lost', 'never committed')");
  await tx.script("set constraints all immediate");
  process.kill(process.pid, "SIGKILL");
  // The signal takes effect at once; nothing after it runs.
  await new Promise(() => undefined);
});
