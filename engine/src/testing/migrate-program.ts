import { writeSync } from "node:fs";
import { migrate } from "../migrate/migrate.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { fleetVersions } from "./fleet-versions.ts";

/**
 * A child process of the migration's tests: `migrate-program.js <directory> <statement>` migrates a store to the fleet's third
 * version, and kills itself before the statement of that number. It says `migrated <statements>` when it gets to the end.
 */
const [dataDir = "", killBefore = "0"] = process.argv.slice(2);

let statements = 0;
const counted = (session: SqlSession): SqlSession => {
  const count = (): void => {
    statements += 1;
    if (statements === Number(killBefore)) process.kill(process.pid, "SIGKILL");
  };
  return {
    query: async (sql, parameters) => {
      count();
      return await session.query(sql, parameters);
    },
    script: async (sql) => {
      count();
      await session.script(sql);
    },
  };
};

const database = await openPgliteDatabase({ dataDir });
const killing: Database = Object.assign(Object.create(database) as Database, {
  // What looks whether there is anything to do comes before the transaction, and only reads.
  query: database.query.bind(database),
  transaction: async <T>(work: (tx: SqlSession) => Promise<T>) =>
    await database.transaction(async (tx) => await work(counted(tx))),
});
await migrate(killing, { ...fleetVersions[2], nodeId: "019abc00-0000-7000-8000-000000000001", tier: "edge" });
writeSync(1, `migrated ${String(statements)}\n`);
await database.close();
