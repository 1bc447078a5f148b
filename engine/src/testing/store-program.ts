import { writeSync } from "node:fs";
import { HayloftError, isHayloftError } from "../error/hayloft-error.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";

/**
 * A child process of the store's tests: `store-program.js <directory> <durable> <rows>` opens the store, writes rows one
 * transaction each, and says on standard output `open <highest row>`, `row <n>` after each commit, `fatal <code>` and
 * `error <code> <details>`. A row for which the disk has no room it writes again until there is some. With 0 rows it only holds the store; it ends when it is killed or `end` comes on standard input.
 */
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};

const [dataDir = "", durable = "true", rows = "0"] = process.argv.slice(2);

process.stdin.once("data", () => process.exit(0));

try {
  const database = await openPgliteDatabase({
    dataDir,
    durable: durable === "true",
    onFatal: (error) => say(`fatal ${error.code}`),
  });
  await database.script("create table if not exists written (id int primary key, filler text)");
  const found = await database.query<{ top: number }>("select coalesce(max(id), 0) as top from written");
  const top = found.rows[0]?.top ?? 0;
  say(`open ${top}`);
  const write = async (row: number): Promise<boolean> => {
    try {
      await database.transaction(async (tx) => await tx.query("insert into written values ($1, repeat('x', 200))", [row]));
      return true;
    } catch (error) {
      if (!isHayloftError(error, "store-full") || error.details["sqlstate"] === undefined) throw error;
      say(`full ${row} ${JSON.stringify(error.details)}`);
      return false;
    }
  };
  for (let row = top + 1; row <= top + Number(rows); row += 1) {
    while (!(await write(row)));
    say(`row ${row}`);
  }
} catch (error) {
  if (!(error instanceof HayloftError)) throw error;
  say(`error ${error.code} ${JSON.stringify(error.details)}`);
}
