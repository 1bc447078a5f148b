import { writeSync } from "node:fs";
import { openPgliteDatabase } from "../../store/pglite/open-pglite-database.ts";

/**
 * A child process of the power-cut tests: `power-program.js <directory> <durable> <rows>`. It opens the store, says `open`, and
 * writes rows, one transaction each, saying `row <n> <place>` after each commit, the place up to which Postgres takes its log for durable: a new row that refers to the one before, an update of
 * an older one, now and then a value that is stored out of line, a new table, and a checkpoint, so that each kind of file is
 * between two states at some time. It closes the store at the end.
 */
const [dataDir = "", durable = "true", rows = "0"] = process.argv.slice(2);
const database = await openPgliteDatabase({ dataDir, durable: durable === "true" });
await database.script(
  `create table if not exists written (id int primary key, before int references written, filler text not null, n int not null default 0);
   create index if not exists written_by_filler on written (left(filler, 40))`,
);
writeSync(1, "open\n");
for (let row = 1; row <= Number(rows); row += 1) {
  await database.transaction(async (tx) => {
    await tx.query("insert into written (id, before, filler) values ($1, nullif($1 - 1, 0), $2)", [row, fillerOf(row)]);
    await tx.query("update written set n = n + 1 where id = $1 / 2", [row]);
    if (row % 9 === 0) await tx.script(`create table made_${row} (id int primary key); insert into made_${row} values (${row})`);
  });
  const { rows: flushed } = await database.query<{ place: string }>("select pg_current_wal_flush_lsn() - '0/0' as place");
  writeSync(1, `row ${row} ${flushed[0]?.place}\n`);
  if (row % 7 === 0) await database.script("checkpoint");
}
await database.close();

function fillerOf(row: number): string {
  if (row % 5 !== 0) return `row ${row} `.repeat(20);
  // Not repetitive, so that it is neither compressed away nor kept in the row.
  return Array.from({ length: 1_500 }, (_, index) => ((row * 7_919 + index * 104_729) % 65_521).toString(36)).join("");
}
