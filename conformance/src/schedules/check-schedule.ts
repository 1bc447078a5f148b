import type { Database } from "@hayloft/engine";
import { explainDifference, explainRow, explanationText } from "@hayloft/engine";
import { type Ledger, surviving } from "./ledger.ts";
import { mixedCatalog, mixedTables, TENANT } from "./mixed-catalog.ts";
import { joinOfStates } from "./people.ts";
import type { ThreeTiers, Tier } from "./three-tiers.ts";

type Row = Readonly<Record<string, unknown>>;

/** Rows of a schedule by table and id. */
type Held = ReadonlyMap<string, Row>;

/**
 * Throws when something of the schedule is not as it has to be on all three tiers: equal rows, equal open reviews, equal
 * journals, and everything that the ledger says. The message explains the row.
 */
export async function checkSchedule(tiers: ThreeTiers, run: string, ledger: Ledger): Promise<void> {
  const [hub, ...below] = await Promise.all(tiers.all.map(async ({ database }) => await rowsOf(database, run)));
  if (hub === undefined) throw new TypeError("three tiers have rows");
  for (const [index, rows] of below.entries()) await checkEqual(tiers, tiers.all[index + 1] ?? tiers.hub, hub, rows);
  for (const problem of ledgerProblems(ledger, hub)) await fail(tiers, problem);
  for (const tier of tiers.all) {
    await checkReviews(tiers, tier, ledger, hub);
    await checkNothingHeld(tier);
  }
  await checkJournals(tiers, ledger, hub);
}

async function rowsOf(database: Database, run: string): Promise<Held> {
  const held = new Map<string, Row>();
  for (const table of mixedTables) {
    const { rows } = await database.query<{ row: Row }>(
      `select to_jsonb(t) as row from ${table} t where t.tenant_id = $1 and t.run = $2 order by t.id`,
      [TENANT, run],
    );
    for (const { row } of rows) held.set(`${table} ${String(row["id"])}`, row);
  }
  return held;
}

async function checkEqual({ hub }: ThreeTiers, tier: Tier, atHub: Held, here: Held): Promise<void> {
  const names = new Set([...atHub.keys(), ...here.keys()]);
  const differing = [...names].find((name) => JSON.stringify(atHub.get(name)) !== JSON.stringify(here.get(name)));
  if (differing === undefined) return;
  const reason = await explainDifference(hub.database, tier.database, mixedCatalog, TENANT, mixedTables);
  throw new Error(`${differing} is not the same at the hub and the ${tier.identity.tier}\n${reason ?? "no digest differs"}`);
}

interface Problem {
  readonly table: string;
  readonly key: string;
  readonly column: string;
  readonly what: string;
}

async function fail(tiers: ThreeTiers, { table, key, column, what }: Problem): Promise<never> {
  const texts = await Promise.all(
    tiers.all.map(async ({ database }) =>
      explanationText(await explainRow(database, mixedCatalog, { tenant: TENANT, table, key: [key], column })),
    ),
  );
  throw new Error(`${table} ${key} ${column}: ${what}\n${texts.join("")}`);
}

const partsOf = (cell: string): readonly [string, string, string] => {
  const [table = "", key = "", column = ""] = cell.split(" ");
  return [table, key, column];
};

/** What the hub's rows do not hold of the ledger. */
function ledgerProblems(ledger: Ledger, hub: Held): readonly Problem[] {
  const problems: Problem[] = [];
  const check = (cell: string, isRight: (value: unknown) => boolean, expected: string): void => {
    const [table, key, column] = partsOf(cell);
    const value = hub.get(`${table} ${key}`)?.[column];
    if (!isRight(value)) problems.push({ table, key, column, what: `${JSON.stringify(value)} instead of ${expected}` });
  };
  for (const [cell, sum] of ledger.sums) check(cell, (value) => value === sum, `the sum ${String(sum)}`);
  for (const [cell, items] of ledger.sets) {
    const expected = JSON.stringify([...items].toSorted());
    check(cell, (value) => JSON.stringify(value) === expected, expected);
  }
  for (const [cell, words] of ledger.words) {
    for (const word of words) check(cell, (value) => JSON.stringify(value ?? "").includes(word), `a text with ${word}`);
  }
  for (const [cell, values] of ledger.moved) {
    const expected = joinOf(partsOf(cell)[2], [...values]);
    check(cell, (value) => expected.has(String(value)), [...expected].join(" or "));
  }
  for (const [id, content] of ledger.records) {
    const row = hub.get(`treatment ${id}`);
    const found = row === undefined ? "nothing" : `${String(row["tally_id"])} ${String(row["what"])}`;
    if (found !== content) problems.push({ table: "treatment", key: id, column: "what", what: `${found} instead of ${content}` });
  }
  return problems;
}

/** Where a cell ends that only moves one way. */
function joinOf(column: string, values: readonly string[]): ReadonlySet<string> {
  if (column === "highest") return new Set([String(Math.max(...values.map(Number)))]);
  if (column === "lowest") return new Set([String(Math.min(...values.map(Number)))]);
  if (column === "state") return new Set([joinOfStates(values)]);
  return new Set(values);
}

/** Exactly those values are open that nobody replaced who had seen them, and one of them shows. */
async function checkReviews(tiers: ThreeTiers, { database, identity }: Tier, ledger: Ledger, hub: Held): Promise<void> {
  const { rows } = await database.query<{ cell: string; values: readonly string[] }>(
    `select r.table_name || ' ' || r.row_key || ' ' || r.column_name as cell,
      (select jsonb_agg(v ->> 'value' order by v ->> 'value' collate "C") from jsonb_array_elements(r.versions) v) as values
    from hayloft.open_review r where r.tenant_id = $1`,
    [TENANT],
  );
  const open = new Map(rows.map(({ cell, values }) => [cell, values]));
  for (const [cell, item] of ledger.reviews) {
    const [table, key, column] = partsOf(cell);
    const expected = surviving(item);
    const shown = String(hub.get(`${table} ${key}`)?.[column]);
    const found = open.get(cell) ?? [shown];
    if (JSON.stringify(found) !== JSON.stringify(expected) || !mayShow(table, expected).includes(shown)) {
      const what = `${found.join()} open at the ${identity.tier} instead of ${expected.join()}; ${shown} shows`;
      await fail(tiers, { table, key, column, what });
    }
  }
}

/** Until somebody decides the greatest value shows; of a tally the last one, and which that is the ledger cannot know. */
const mayShow = (table: string, open: readonly string[]): readonly string[] =>
  table === "tally" ? open : [String(Math.max(...open.map(Number)))];

async function checkNothingHeld({ database, identity }: Tier): Promise<void> {
  const { rows } = await database.query<{ code: string }>("select code from hayloft.quarantine limit 1");
  if (rows[0] !== undefined) throw new Error(`a commit is held at the ${identity.tier}: ${rows[0].code}`);
}

interface Loss {
  readonly cell: string;
  readonly value: string | null;
  readonly name: string;
}

async function lossesOf({ database }: Tier, ledger: Ledger): Promise<readonly Loss[]> {
  const keys = [...ledger.rows.values()].flatMap((found) => [...found]);
  const { rows } = await database.query<Loss>(
    `select table_name || ' ' || row_key || ' ' || column_name as cell, loser_value as value, id::text as name
     from hayloft.loss where tenant_id = $1 and row_key = any($2::text[]) and not superseded and rule <> 'restamp'
       order by 3`,
    [TENANT, keys],
  );
  return rows;
}

/**
 * A value of a last-writer cell stands, was replaced by somebody who had seen it, or is in the hub's journal; and what the hub's
 * journal has, those of edge and tablet have too, who all saw the same commits. They may have more: a value that came early, in
 * an answer, and was replaced knowingly before its commit came (decision 0030).
 */
async function checkJournals(tiers: ThreeTiers, ledger: Ledger, hub: Held): Promise<void> {
  const [top, ...below] = await Promise.all(tiers.all.map(async (tier) => await lossesOf(tier, ledger)));
  const lost = new Set(top?.map(({ cell, value }) => `${cell} ${value ?? ""}`));
  for (const [cell, item] of ledger.last) {
    const [table, key, column] = partsOf(cell);
    const standing = String(hub.get(`${table} ${key}`)?.[column]);
    for (const value of surviving(item)) {
      if (value !== standing && !lost.has(`${cell} ${value}`))
        await fail(tiers, { table, key, column, what: `${value} has vanished: it neither stands nor is in the journal` });
    }
    if (!item.written.has(standing)) await fail(tiers, { table, key, column, what: `${standing} was never written` });
  }
  for (const [index, losses] of below.entries()) {
    const names = new Set(losses.map(({ name }) => name));
    const missing = top?.find(({ name }) => !names.has(name));
    if (missing === undefined) continue;
    const [table, key, column] = partsOf(missing.cell);
    const tier = tiers.all[index + 1]?.identity.tier ?? "";
    await fail(tiers, {
      table,
      key,
      column: column.startsWith("$") ? "title" : column,
      what: `${column} ${missing.value ?? "null"} is in the hub's journal and not in that of the ${tier}`,
    });
  }
}
