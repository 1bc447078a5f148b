import { writeSync } from "node:fs";
import { HayloftError } from "../error/hayloft-error.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";

/**
 * A child process of the store's tests: `store-program.js <directory> <durable> <rows>` opens the store, writes rows one
 * transaction each, and says on standard output `open <highest row>`, `row <n>` after each commit, `fatal <code>` and
 * `error <code> <details>`. With 0 rows it only holds the store; it ends when it is killed or `end` comes on standard input.
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
  for (let row = top + 1; row <= top + Number(rows); row += 1) {
    await database.transaction(async (tx) => {
      await tx.query("insert into written values ($1, repeat('x', 200))", [row]);
    });
    say(`row ${row}`);
  }
} catch (error) {
  if (!(error instanceof HayloftError)) throw error;
  say(`error ${error.code} ${JSON.stringify(error.details)}`);
}
