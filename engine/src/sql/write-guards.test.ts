import { expect, it } from "vitest";
import { guardPartitions } from "../migrate/ensure-partitions.ts";
import type { Database } from "../store/database.ts";
import { eachDatabase } from "../testing/index.ts";
import { captureDdl } from "./capture-ddl.ts";
import { defaultCommitLimits } from "./record-change-ddl.ts";
import { sampleCatalog } from "./sample-catalog.ts";
import { applying, logOf, sampleDatabase } from "./sample-database.ts";
import { refusalOf } from "./sqlstate.ts";

const ID = "00000000-0000-7000-8000-000000000001";
const READING = `insert into reading (tenant_id, id, farm_id, device_id, value, occurred_at) values ('t1', '${ID}', 'f1', 'd', 1, '2026-05-05')`;
const NOTE = `insert into note (tenant_id, id, farm_id, title) values ('t1', '${ID}', 'f1', 'x')`;
const COUNT = `insert into daily_count (tenant_id, id, farm_id, day, animals) values ('t1', '${ID}', 'f1', '2026-05-05', 1)`;
const STATUS =
  "insert into device_status (tenant_id, id, farm_id, status, last_seen_at) values ('t1', 'd', 'f1', 'on', '2026-05-05')";

/** Tier, statements before, the statement, and the rule that refuses it (null: allowed). */
type Case = readonly [tier: string, before: string, statement: string, rule: string | null];

const cases: Readonly<Record<string, Case>> = {
  "S1.3 a tier that is no writer inserts": ["tablet", "", READING, "table"],
  "S1.3 a tier that is no writer deletes": ["cloud", READING, "delete from reading", "table"],
  "S1.3 a tier that is no writer updates nothing": ["tablet", "", "update reading set value = 2 where false", "table"],
  "the top writes a top-only table": [
    "cloud",
    "",
    `insert into account (tenant_id, id, email) values ('t1', '${ID}', 'a')`,
    null,
  ],
  "S1.3 another tier writes a top-only table": [
    "edge",
    "",
    `insert into account (tenant_id, id, email) values ('t1', '${ID}', 'a')`,
    "table",
  ],
  "S1.3 another tier writes a local table": ["tablet", "", "insert into inbox (tenant_id, id) values ('t1', 'a')", "table"],
  "any tier writes a derived table": ["tablet", "", "insert into total (tenant_id, id, amount) values ('t1', 'a', 1)", null],
  "the single writer inserts": ["cloud", "", "insert into farm (tenant_id, id, name) values ('t1', 'f9', 'n')", null],
  "another writer inserts into a single writer's table": [
    "edge",
    "",
    "insert into farm (tenant_id, id, name) values ('t1', 'f9', 'n')",
    "table",
  ],
  "another writer deletes from a single writer's table": ["edge", "", "delete from farm where id = 'f2'", "table"],
  "S4.2 another writer changes its own column": ["edge", "", "update farm set notes = 'mine' where tenant_id = 't1'", null],
  "S4.2 another writer changes the single writer's column": [
    "edge",
    "",
    "update farm set name = 'mine' || id where tenant_id = 't1'",
    "column",
  ],
  "S4.2 the single writer changes another's column": [
    "cloud",
    "",
    "update farm set notes = 'mine' where tenant_id = 't1'",
    "column",
  ],
  "S4.2 the single writer inserts another's column": [
    "cloud",
    "",
    "insert into farm (tenant_id, id, name, notes) values ('t1', 'f9', 'n', 'mine')",
    "column",
  ],
  "an append-only row is updated": ["edge", READING, "update reading set value = 2", "appendOnly"],
  "an append-only row is deleted": ["edge", READING, "delete from reading", "appendOnly"],
  "a greatest value goes back": [
    "edge",
    `${NOTE}; update note set seen_at = '2026-05-05'`,
    "update note set seen_at = '2026-05-04'",
    "monotone",
  ],
  "a greatest value goes back to null": [
    "edge",
    `${NOTE}; update note set seen_at = '2026-05-05'`,
    "update note set seen_at = null",
    "monotone",
  ],
  "a greatest value goes on": [
    "edge",
    `${NOTE}; update note set seen_at = '2026-05-05'`,
    "update note set seen_at = '2026-05-06'",
    null,
  ],
  "true turns false": ["edge", `${NOTE}; update note set is_done = true`, "update note set is_done = false", "monotone"],
  "a lattice goes back": ["edge", `${NOTE}; update note set status = 'held'`, "update note set status = 'open'", "monotone"],
  "a lattice skips a step": ["edge", NOTE, "update note set status = 'void'", null],
  "a row of a monotone table goes back": [
    "edge",
    STATUS,
    "update device_status set last_seen_at = '2026-05-04', status = 'off'",
    "monotone",
  ],
  "a row of a monotone table goes on": [
    "edge",
    STATUS,
    "update device_status set last_seen_at = '2026-05-06', status = 'off'",
    null,
  ],
  "a column is set once": ["edge", NOTE, "update note set first_seen = 'a'", null],
  "a column is set twice": ["edge", `${NOTE}; update note set first_seen = 'a'`, "update note set first_seen = 'b'", "setOnce"],
  "a natural key changes": ["edge", COUNT, "update daily_count set day = '2026-05-06'", "key"],
  "another column of a natural key's row changes": ["edge", COUNT, "update daily_count set animals = 2", null],
  "a primary key changes": ["edge", NOTE, "update note set id = gen_random_uuid()", "key"],
  "a tenant changes": ["edge", NOTE, "update note set tenant_id = 't2'", "key"],
  "the shared tenant is written below the top": ["edge", "", NOTE.replace("'t1'", "'shared'"), "sharedTenant"],
  "the shared tenant is written at the top": ["cloud", "", NOTE.replace("'t1'", "'shared'"), null],
  "a replicated table is truncated": ["edge", "", "truncate note", "truncate"],
  "a local table is truncated": ["edge", "", "truncate inbox", null],
  "a row is written straight into a partition": ["edge", "", READING.replace("into reading", "into reading_default"), "leaf"],
  "a partition is truncated": ["edge", "", "truncate reading_default", "leaf"],
  "S7.7 an unknown value of an enumerated column is written": ["edge", NOTE, "update note set status = 'lost'", "23514"],
};

eachDatabase("write guards", (open) => {
  it("F-G10 hold for each of the catalog's rules, a state that goes back among them", async () => {
    const database = await sampleDatabase(open, "edge");
    const found: Record<string, string | null> = {};
    for (const tier of sampleCatalog.tiers) {
      await database.script(captureDdl(sampleCatalog, tier, defaultCommitLimits));
      for (const item of sampleCatalog.tables) if (item.partition !== null) await guardPartitions(database, item);
      for (const [name, [writer, before, statement]] of Object.entries(cases)) {
        if (writer === tier) found[name] = await outcome(database, tier, before, statement);
      }
    }
    expect(found).toEqual(Object.fromEntries(Object.entries(cases).map(([name, [, , , rule]]) => [name, rule])));
    await database.close();
  });

  it("say which table and rule, and what to do", async () => {
    const database = await sampleDatabase(open, "tablet");
    const error = await database.query(READING).catch(refusalOf);
    expect(error).toMatchObject({ code: "write-refused", details: { sqlstate: "HL001", rule: "table", table: "reading" } });
    expect(String(error)).toContain("The tier tablet may not write reading.");
    await database.close();
  });

  it("are off while the engine applies", async () => {
    const database = await sampleDatabase(open, "tablet");
    await applying(database, `${READING}; update reading set value = 7; delete from reading; truncate note`);
    expect(await logOf(database, "t1")).toEqual([]);
    await database.close();
  });
});

/** The rule that refused the statement, another SQLSTATE, or null; nothing is kept. */
async function outcome(database: Database, tier: string, before: string, statement: string): Promise<string | null> {
  const undone = new Error("undone");
  const error = await database
    .transaction(async (tx) => {
      // What was there before may come from any tier.
      await tx.script(`set local hayloft.applying = 'on'; ${before}`);
      await tx.script("set local hayloft.applying = 'off'");
      await tx.script(statement);
      throw undone;
    })
    .catch(refusalOf);
  if (error === undone) return null;
  const { details } = error as { details?: { rule?: string; sqlstate?: string } };
  return details?.rule ?? details?.sqlstate ?? `${tier}: ${String(error)}`;
}
