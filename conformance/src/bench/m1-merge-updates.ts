import {
  catalog,
  catalogDdl,
  type Catalog,
  type Database,
  forever,
  integer,
  lastWriterWins,
  local,
  type LogSlice,
  migrate,
  newId,
  SqlReplicaStorage,
  table,
  text,
  timestamptz,
  uuid,
} from "@hayloft/engine";
import { Bench } from "./bench-databases.ts";
import { compare, type Cost, costOf, type Figure, inTurn } from "./measure.ts";
import { TENANT } from "./replica-pair.ts";

/** Rows of one transaction, of the floor's and of ours: a slice as a session joins them. */
const BATCH = 5_000;
/** Rows of one commit, few enough that it does not travel in parts. */
const COMMIT_ROWS = 1_000;
const tiers = ["cloud", "edge"] as const;

const note = table("note", {
  group: "bench",
  category: "operational",
  about: "What the benchmark updates.",
  columns: {
    tenant_id: text(),
    id: uuid(),
    number: integer(),
    title: text(),
    body: text().nullable(),
    changed_at: timestamptz(),
  },
  indexes: [["tenant_id", "number"]],
  scope: { tenant: "tenant_id" },
  writers: [...tiers],
  flow: "both",
  rule: lastWriterWins(),
  retain: { cloud: forever, edge: forever },
});

const merging = catalog({
  name: "bench-merge",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant: "shared",
  tables: [note],
});
const plain = catalog({ ...merging, tables: [{ ...note, rule: local() }] });

const columns = Object.keys(note.columns);

async function createTable(database: Database, of: Catalog, tier: (typeof tiers)[number], nodeId: string): Promise<void> {
  await migrate(database, { catalog: of, migrations: [{ name: "0001_initial", sql: catalogDdl(of) }], nodeId, tier });
}

const FILL = `insert into note select $1, gen_random_uuid(), n, 'title ' || n, null, now() from generate_series($2::integer, $3::integer) as n`;

const UPDATE = "update note set body = 'body ' || number where number between $1::integer and $2::integer";

async function inBatches(rows: number, run: (first: number, last: number) => Promise<unknown>, size = BATCH): Promise<void> {
  for (let first = 1; first <= rows; first += size) await run(first, Math.min(rows, first + size - 1));
}

/** The same rows with another body, by the statement that one would write without an engine. */
async function floor(rows: number): Promise<Cost> {
  const bench = new Bench();
  try {
    const database = await bench.postgres();
    await createTable(database, plain, "cloud", newId());
    await inBatches(rows, async (first, last) => await database.query(FILL, [TENANT, first, last]));
    await database.query("vacuum analyze note");
    const list = columns.map((column) => `"${column}"`).join(", ");
    const read = await database.query<Record<string, string>>(
      `select ${columns.map((column) => `"${column}"::text`).join(", ")} from note order by number`,
    );
    const upsert = `insert into note (${list}) select ${list} from unnest($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[]) as incoming (${list})
      on conflict (tenant_id, id) do update set body = excluded.body`;
    const batches: string[][][] = [];
    await inBatches(rows, async (first, last) => {
      const part = read.rows.slice(first - 1, last);
      batches.push(
        columns.map((column) => part.map((row) => (column === "body" ? `body ${row["number"] ?? ""}` : (row[column] ?? "")))),
      );
    });
    return await costOf(async () => {
      for (const batch of batches) await database.transaction(async (tx) => await tx.query(upsert, batch));
    });
  } finally {
    await bench.close();
  }
}

/** A hub that applies what an edge has updated, as it comes out of the edge's log. */
async function applied(rows: number): Promise<Cost> {
  const bench = new Bench();
  try {
    const [hubId, edgeId] = [newId(), newId()];
    const hub = await bench.postgres();
    const edge = await bench.postgres();
    await createTable(hub, merging, "cloud", hubId);
    await createTable(edge, merging, "edge", edgeId);
    const atHub = new SqlReplicaStorage({ database: hub, catalog: merging, nodeId: hubId, tier: "cloud", hasParent: false });
    const atEdge = new SqlReplicaStorage({ database: edge, catalog: merging, nodeId: edgeId, tier: "edge", hasParent: true });
    const grant = { tenant: TENANT, tier: "edge", role: "node", scopes: {} };
    const apply = async (slices: readonly LogSlice[]): Promise<void> => {
      for (const slice of slices) await atHub.apply({ peer: edgeId, from: "child", grant, slice });
    };
    await inBatches(rows, async (first, last) => await edge.query(FILL, [TENANT, first, last]), COMMIT_ROWS);
    const filled = await slicesAfter(atEdge, hubId, 0);
    await apply(filled);
    await inBatches(rows, async (first, last) => await edge.query(UPDATE, [first, last]), COMMIT_ROWS);
    const updates = await slicesAfter(atEdge, hubId, filled.at(-1)?.upTo ?? 0);
    await hub.query("vacuum analyze note");
    await hub.query("vacuum analyze hayloft.row_state");
    const cost = await costOf(async () => await apply(updates));
    await assertApplied(hub, rows);
    return cost;
  } finally {
    await bench.close();
  }
}

async function slicesAfter(storage: SqlReplicaStorage, peer: string, from: number): Promise<readonly LogSlice[]> {
  const slices: LogSlice[] = [];
  for (let after = from; ;) {
    const slice = await storage.readLog({
      tenant: TENANT,
      after,
      peer,
      towards: "up",
      grant: null,
      bytesMax: 1e9,
      rowsMax: BATCH,
    });
    if (slice.large !== undefined) throw new Error("a commit travels in parts, which this benchmark does not measure");
    if (slice.commits.length === 0) return slices;
    slices.push(slice);
    after = slice.upTo;
  }
}

async function assertApplied(hub: Database, rows: number): Promise<void> {
  const { rows: found } = await hub.query<{ count: number }>(
    "select count(*)::integer as count from note where body = 'body ' || number",
  );
  if (found[0]?.count !== rows) throw new Error(`${String(found[0]?.count)} of ${String(rows)} updates were applied`);
}

/** M1: updates of rows that merge column by column, against the upsert that merges nothing. */
export const mergeUpdates = async (rows: number, runs: number): Promise<readonly Figure[]> => {
  const speed = compare(
    rows,
    await inTurn(
      runs,
      () => floor(rows),
      () => applied(rows),
    ),
  );
  return [
    {
      id: "M1",
      what: `${rows.toLocaleString("en-US")} lastWriterWins column updates applied, against insert … on conflict do update from unnest`,
      unit: "rows/s",
      ...speed,
      goal: ">= 0.50",
      reached: speed.ratio >= 0.5,
      runs,
    },
  ];
};
