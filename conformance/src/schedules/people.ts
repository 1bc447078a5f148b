import type { SqlSession } from "@hayloft/engine";
import { derivedId } from "@hayloft/engine";
import { Random } from "../simulator/random.ts";
import { cellOf, type Ledger } from "./ledger.ts";
import { leafTables, TENANT } from "./mixed-catalog.ts";
import type { Tier } from "./three-tiers.ts";

const RANKS = ["open", "held", "done", "cancelled"] as const;

interface Work {
  readonly tx: SqlSession;
  readonly tier: string;
  readonly run: string;
  readonly random: Random;
  readonly ledger: Ledger;
  /** A number that nobody else gets in this schedule. */
  readonly next: () => number;
}

type Act = (work: Work) => Promise<void>;

/** The people of a schedule: each act is what somebody does in one transaction, noted in the ledger if it was committed. */
export class People {
  readonly #run: string;
  readonly #random: Random;
  readonly #ledger: Ledger;
  #count = 0;

  constructor(run: string, random: Random, ledger: Ledger) {
    this.#run = run;
    this.#random = random;
    this.#ledger = ledger;
  }

  /** One transaction of one to three acts at the tier. */
  async act({ replica, identity }: Tier): Promise<void> {
    const { tier } = identity;
    const run = this.#run;
    const seed = this.#random.between(0, 0xffff_ffff);
    const times = this.#random.between(1, 3);
    const ledger = this.#ledger;
    await replica.write(async (_, tx) => {
      // Tried again, a transaction does the same again.
      const random = new Random(seed);
      ledger.begin();
      for (let index = 0; index < times; index += 1)
        await random.pick(acts)({ tx, tier, run, random, ledger, next: () => (this.#count += 1) });
    });
    ledger.commit();
  }
}

const word = (count: number): string => `w${String(count).padStart(4, "0")}`;

/** The row, locked: what arrives meanwhile waits, so that what the writer saw is what he replaces. */
async function rowOf(tx: SqlSession, table: string, id: string): Promise<Readonly<Record<string, unknown>> | null> {
  const { rows } = await tx.query<Readonly<Record<string, unknown>>>(
    `select t.* from ${table} t where t.tenant_id = $1 and t.id::text = $2 for update`,
    [TENANT, id],
  );
  return rows[0] ?? null;
}

const textsOf = (value: unknown): readonly string[] =>
  typeof value === "string" || typeof value === "number" ? [String(value)] : [];

/** What a writer has before him: the open values of a reviewed cell, and the one that it holds, which may be his own of a moment ago. */
async function seenIn(tx: SqlSession, table: string, id: string, column: string): Promise<readonly string[]> {
  const row = await rowOf(tx, table, id);
  const open = await tx.query<{ value: string | null }>(
    `select v ->> 'value' as value from hayloft.open_review r cross join jsonb_array_elements(r.versions) v
     where r.tenant_id = $1 and r.table_name = $2 and r.row_key = $3 and r.column_name = $4`,
    [TENANT, table, id, column],
  );
  return [...open.rows.flatMap(({ value }) => textsOf(value)), ...textsOf(row?.[column])];
}

const set = async (tx: SqlSession, table: string, id: string, sql: string, value: string | number | boolean): Promise<void> =>
  void (await tx.query(`update ${table} set ${sql} where tenant_id = $1 and id::text = $2`, [TENANT, id, value]));

/** A number that nobody else gets, and that is as likely below as above those written before. */
const anyNumber = ({ random, next }: Pick<Work, "random" | "next">): number => random.between(0, 9_999) * 10_000 + next();

async function review(work: Work, table: string, id: string): Promise<void> {
  const { tx, ledger } = work;
  const value = anyNumber(work);
  ledger.write("reviews", cellOf(table, id, "days"), String(value), await seenIn(tx, table, id, "days"));
  await set(tx, table, id, "days = $3", value);
}

async function rename({ tx, ledger, next }: Work, table: string, id: string): Promise<void> {
  const value = word(next());
  ledger.write("last", cellOf(table, id, "title"), value, textsOf((await rowOf(tx, table, id))?.["title"]));
  await set(tx, table, id, "title = $3", value);
}

async function take({ tx, random, ledger }: Work, table: string, id: string): Promise<void> {
  const amount = random.between(-9, 9);
  ledger.add(cellOf(table, id, "stock"), amount);
  await set(tx, table, id, "stock = stock + $3::integer", amount);
}

async function note({ tx, random, ledger, next }: Work, table: string, id: string): Promise<void> {
  const value = word(next());
  ledger.put("words", cellOf(table, id, "notes"), value);
  const sql = random.chance(0.5) ? "notes = concat_ws(' ', notes, $3::text)" : "notes = concat_ws(' ', $3::text, notes)";
  await set(tx, table, id, sql, value);
}

/** A card that one of the replicas makes; the others write on it once it has come. */
const withCard =
  (act: (work: Work, id: string) => Promise<void>): Act =>
  async (work) => {
    const { tx, tier, run, random, ledger } = work;
    const maker = random.pick(["cloud", "edge", "tablet"]);
    const id = `${run}-${maker}`;
    if (maker === tier)
      await tx.query("insert into card (tenant_id, run, id) values ($1, $2, $3) on conflict do nothing", [TENANT, run, id]);
    else if ((await rowOf(tx, "card", id)) === null) return;
    ledger.touch("card", id);
    await act(work, id);
  };

const moves: readonly Act[] = [
  withCard(async (work, id) => {
    const { tx, ledger } = work;
    const value = anyNumber(work);
    ledger.put("moved", cellOf("card", id, "highest"), String(value));
    await set(tx, "card", id, "highest = greatest(highest, $3::integer)", value);
  }),
  withCard(async (work, id) => {
    const { tx, ledger } = work;
    const value = anyNumber(work);
    ledger.put("moved", cellOf("card", id, "lowest"), String(value));
    await set(tx, "card", id, "lowest = least(lowest, $3::integer)", value);
  }),
  withCard(async ({ tx, ledger }, id) => {
    ledger.put("moved", cellOf("card", id, "flag"), "true");
    await set(tx, "card", id, "flag = $3::boolean", true);
  }),
  withCard(async ({ tx, random, ledger }, id) => {
    const now = String((await rowOf(tx, "card", id))?.["state"]);
    const value = now === "open" ? random.pick(["held", "done"]) : "cancelled";
    ledger.put("moved", cellOf("card", id, "state"), value);
    await set(tx, "card", id, "state = $3", value);
  }),
  withCard(async ({ tx, ledger, next }, id) => {
    const value = word(next());
    if ((await rowOf(tx, "card", id))?.["first"] !== null) return;
    ledger.put("moved", cellOf("card", id, "first"), value);
    await set(tx, "card", id, "first = $3", value);
  }),
];

async function relabel({ tx, random, ledger, next }: Work, id: string): Promise<void> {
  const cell = cellOf("card", id, "labels");
  const here = (await rowOf(tx, "card", id))?.["labels"] as readonly string[];
  if (here.length > 0 && random.chance(0.3)) {
    const gone = random.pick(here);
    ledger.label(cell, "delete", gone);
    await set(tx, "card", id, "labels = labels - $3::text", gone);
    return;
  }
  const value = word(next());
  ledger.label(cell, "add", value);
  await set(tx, "card", id, "labels = labels || to_jsonb($3::text)", value);
}

async function list({ tx, ledger, next }: Work, id: string): Promise<void> {
  const value = word(next());
  ledger.put("words", cellOf("card", id, "list"), value);
  await set(tx, "card", id, "list = coalesce(list, '{}') || jsonb_build_object($3::text, 'x')", value);
}

/** A row under a natural key, which several replicas may begin, each with its own first figures. */
async function tallyOf(work: Work): Promise<string> {
  const { tx, run, random, ledger, next } = work;
  const place = `p${String(random.between(1, 2))}`;
  const id = derivedId("tally", [TENANT, run, place]);
  ledger.touch("tally", id);
  if ((await rowOf(tx, "tally", id)) !== null) return id;
  const [stock, days, text] = [random.between(0, 9), anyNumber(work), word(next())];
  const { rows } = await tx.query(
    `insert into tally (tenant_id, run, place, title, stock, days, notes) values ($1, $2, $3, $4, $5, $6, $4)
     on conflict do nothing returning id`,
    [TENANT, run, place, text, stock, days],
  );
  // Somebody else's row may have come in this very moment.
  if (rows.length === 0) return id;
  ledger.add(cellOf("tally", id, "stock"), stock);
  ledger.write("reviews", cellOf("tally", id, "days"), String(days), []);
  ledger.write("last", cellOf("tally", id, "title"), text, []);
  ledger.put("words", cellOf("tally", id, "notes"), text);
  return id;
}

const withTally =
  (act: (work: Work, id: string) => Promise<void>): Act =>
  async (work) =>
    await act(work, await tallyOf(work));

async function treat(work: Work): Promise<void> {
  const { tx, run, random, ledger, next } = work;
  const [tally, id] = [await tallyOf(work), random.uuid()];
  const [what, days] = [word(next()), anyNumber(work)];
  ledger.record(id, `${tally} ${what}`);
  ledger.touch("treatment", id);
  ledger.write("reviews", cellOf("treatment", id, "days"), String(days), []);
  await tx.query("insert into treatment (tenant_id, run, id, tally_id, what, days) values ($1, $2, $3, $4, $5, $6)", [
    TENANT,
    run,
    id,
    tally,
    what,
    days,
  ]);
}

const withTreatment =
  (act: (work: Work, id: string) => Promise<void>): Act =>
  async (work) => {
    const { rows } = await work.tx.query<{ id: string }>(
      "select id::text as id from treatment where tenant_id = $1 and run = $2 order by id",
      [TENANT, work.run],
    );
    const found = rows.length === 0 ? null : work.random.pick(rows);
    await (found === null ? treat(work) : act(work, found.id));
  };

async function voidRecord({ tx, next }: Work, id: string): Promise<void> {
  await tx.query("update treatment set voided = $3 where tenant_id = $1 and id = $2 and voided is null", [
    TENANT,
    id,
    word(next()),
  ]);
}

/** Rows that come and go: what has to hold of them is that all replicas agree. */
async function leaf(work: Work): Promise<void> {
  const { tx, run, random, ledger, next } = work;
  const [table, id] = [random.pick(leafTables), `${run}-${String(random.between(1, 2))}`];
  ledger.touch(table, id);
  if (random.chance(0.35)) {
    await tx.query(`delete from ${table} where tenant_id = $1 and id = $2`, [TENANT, id]);
    return;
  }
  await tx.query(
    `insert into ${table} as t (tenant_id, run, id, title, stock, days) values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant_id, id) do update set title = excluded.title, stock = t.stock + excluded.stock, days = excluded.days`,
    [TENANT, run, id, word(next()), random.between(1, 9), anyNumber(work)],
  );
}

const acts: readonly Act[] = [
  ...moves,
  withCard(async (work, id) => await review(work, "card", id)),
  withCard(async (work, id) => await rename(work, "card", id)),
  withCard(async (work, id) => await take(work, "card", id)),
  withCard(async (work, id) => await take(work, "card", id)),
  withCard(async (work, id) => await note(work, "card", id)),
  withCard(relabel),
  withCard(list),
  withCard(async ({ tx, next }, id) => await set(tx, "card", id, "nick = $3", word(next()))),
  withTally(async (work, id) => await review(work, "tally", id)),
  withTally(async (work, id) => await rename(work, "tally", id)),
  withTally(async (work, id) => await take(work, "tally", id)),
  withTally(async (work, id) => await note(work, "tally", id)),
  treat,
  treat,
  withTreatment(async (work, id) => await review(work, "treatment", id)),
  withTreatment(async (work, id) => await note(work, "treatment", id)),
  withTreatment(voidRecord),
  leaf,
  leaf,
  leaf,
];

/** The least state that all the given ones lead to. */
export function joinOfStates(states: readonly string[]): string {
  const found = new Set(states);
  if (found.has("cancelled") || (found.has("held") && found.has("done"))) return "cancelled";
  return RANKS.toReversed().find((rank) => found.has(rank)) ?? "open";
}
