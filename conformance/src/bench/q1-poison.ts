import { countHeld, type Database } from "@hayloft/engine";
import { Bench, START_MS } from "./bench-databases.ts";
import { assertEqualRows } from "./equal-rows.ts";
import { compare, type Cost, costOf, type Figure, inTurn } from "./measure.ts";
import { prepareEdge, startHubSide, TENANT, untilFull } from "./replica-pair.ts";
import { COLUMN_NAMES, type ColumnVectors, INSERT_SQL, rowCount, telemetryRows } from "./telemetry-rows.ts";

const SOURCE = { tenant: TENANT, farm: "f-bench", barns: ["b-1", "b-2", "b-3", "b-4"], startMs: START_MS };
/** The hub takes no such value; the edge does. */
const POISON = "99999.0000";

const poisoned = (rows: ColumnVectors): ColumnVectors => {
  const middle = Math.floor(rowCount(rows) / 2);
  return rows.map((vector, column) =>
    COLUMN_NAMES[column] === "value" ? vector.map((value, row) => (row === middle ? POISON : value)) : vector,
  );
};

/** Every row in a commit of its own, written inside the database, where no client waits between two. */
const writeSingly = async (database: Database, rows: ColumnVectors): Promise<void> => {
  const columns = COLUMN_NAMES.join(", ");
  await database.script("create unlogged table bench_stage as select *, 0 as n from telemetry_raw limit 0");
  await database.query(
    INSERT_SQL.replace("into telemetry_raw (", "into bench_stage (n, ").replace(
      "select * from unnest",
      "select row_number() over () - 1, * from unnest",
    ),
    rows,
  );
  await database.script("create index on bench_stage (n)");
  await database.script("analyze bench_stage");
  await database.script("set synchronous_commit = off");
  await database.script(`do $$ begin
    for i in 0 .. ${String(rowCount(rows) - 1)} loop
      insert into telemetry_raw (${columns}) select ${columns} from bench_stage where n = i;
      commit;
    end loop;
  end $$`);
  await database.script("set synchronous_commit = on");
  await database.script("drop table bench_stage");
};

/** From the first frame until the hub has acknowledged the last commit as durable. */
const drain = async (rows: ColumnVectors, held: number): Promise<Cost> => {
  const bench = new Bench();
  try {
    const hub = await startHubSide(bench, await bench.postgres());
    await hub.database.script("alter table telemetry_raw add constraint bench_poison check (value < 9999)");
    const edgeDatabase = await bench.pglite();
    await prepareEdge(edgeDatabase, hub.edgeIdentity.nodeId);
    const before = await hub.openEdge(edgeDatabase);
    await untilFull(before);
    await before.close();
    await writeSingly(edgeDatabase, rows);
    const edge = await hub.openEdge(edgeDatabase);
    const last = telemetryRows({ ...SOURCE, startMs: START_MS + 25 * 86_400_000 }, 1, 3);
    const cost = await costOf(async () => {
      const { receipt } = await edge.write(async (_db, tx) => tx.query(INSERT_SQL, last));
      await receipt?.until("top", { deadlineMs: 1_200_000 });
    });
    await assertEqualRows(edgeDatabase, hub.database);
    const found = (await countHeld(hub.database, TENANT)).reduce((sum, { count }) => sum + count, 0);
    if (found !== held) throw new Error(`${String(found)} commits are held, not ${String(held)}`);
    return cost;
  } finally {
    await bench.close();
  }
};

/** One refused commit among many single ones must not slow the others down. */
export const drainPoisoned = async (count: number, runs: number): Promise<readonly Figure[]> => {
  const rows = telemetryRows(SOURCE, count);
  const bad = poisoned(rows);
  const pairs = await inTurn(
    runs,
    () => drain(rows, 0),
    () => drain(bad, 1),
  );
  const speed = compare(count, pairs);
  return [
    {
      id: "Q1",
      what: `drain of ${count.toLocaleString("en-US")} commits of one row with one that is refused, against none`,
      unit: "commits/s",
      ...speed,
      goal: ">= 0.95",
      reached: speed.ratio >= 0.95,
      runs,
    },
  ];
};
