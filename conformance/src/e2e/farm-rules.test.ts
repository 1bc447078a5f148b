import { planFarm } from "@hayloft/device-simulator";
import type { Database, Replica } from "@hayloft/engine";
import { isHayloftError, newId } from "@hayloft/engine";
import { freshPglite } from "@hayloft/engine/testing";
import { preparedFarm } from "@hayloft/schema/testing";
import type { FarmRows } from "@hayloft/schema";
import { barnStockId, dailyCountId, weightSessionId } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CommandLine } from "./command-line.ts";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { TestTablet } from "./test-tablet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const plan = planFarm("t-rules", "f-rules", 1);
const { tenant, farm } = plan;
const barn = plan.barns[0]?.barn ?? "";
const place = { tenant_id: tenant, farm_id: farm, barn_id: barn };

let line: CommandLine;
let hub: TestHub;
let edge: TestEdge;
/** A second machine in the same barn, as when one is replaced. */
let spare: TestEdge;
let tablets: readonly [TestTablet, TestTablet];

beforeAll(async () => {
  line = await CommandLine.create();
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  const config = { "http.admin_token_file": line.tokenFile };
  const start = async (): Promise<TestEdge> =>
    await TestEdge.start(hub, { tenant, config, ports: { database: await freshPglite(preparedFarm("edge")) } });
  [edge, spare] = [await start(), await start()];
  const open = async (): Promise<TestTablet> => await TestTablet.enrol(hub, { tenant, farms: [farm], barns: [barn] });
  tablets = [await open(), await open()];
  for (const tablet of tablets) await tablet.connect(edge.address);
});
afterAll(async () => {
  for (const tablet of tablets) await tablet.end();
  await Promise.all([edge.end(), spare.end()]);
  await hub.end();
  await line.end();
});

const databases = (): readonly Database[] => [
  hub.database,
  edge.database,
  spare.database,
  ...tablets.map(({ database }) => database),
];

const everywhere = async (what: string, sql: string, right: unknown): Promise<void> => {
  const expected = JSON.stringify(right);
  for (const [index, database] of databases().entries()) {
    let seen = "";
    await until(`${what} in database ${String(index)}`, async () => {
      seen = JSON.stringify((await database.query<{ value: unknown }>(sql, [tenant])).rows.map(({ value }) => value));
      return seen === expected;
    }).catch((error: unknown) => {
      throw new Error(`${what} in database ${String(index)}: ${seen} instead of ${expected}`, { cause: error });
    });
  }
};

/** Both tablets and the spare machine lose their link while `work` runs. */
async function apart(work: () => Promise<void>): Promise<void> {
  edge.wire.hold();
  spare.wire.hold();
  for (const tablet of tablets) {
    await tablet.close();
    await tablet.open(null);
  }
  await work();
  edge.wire.open();
  spare.wire.open();
  for (const tablet of tablets) {
    await tablet.close();
    await tablet.connect(edge.address);
  }
}

const bothWays = sharedTables("cloud", "edge", "tablet").filter((name) => name !== "replica_node" && name !== "audit_events");

const allEqual = async (): Promise<void> => {
  for (const database of databases().slice(1)) await becomeEqual(database, hub.database, tenant, bothWays);
};

const write = async (
  { replica }: { readonly replica: Replica<FarmRows> },
  sql: string,
  parameters: readonly (string | number | null)[],
  author?: string,
): Promise<void> =>
  void (await replica.write(async (_, tx) => await tx.query(sql, parameters), author === undefined ? {} : { author }));

const ofHub = (): { readonly replica: Replica<FarmRows> } => hub.hub;
const ofEdge = (at: TestEdge): { readonly replica: Replica<FarmRows> } => at.daemon;

const treat = async (withdrawalDays: number): Promise<string> => {
  const id = newId();
  await write(
    ofHub(),
    `insert into barn_treatment_event (tenant_id, id, farm_id, barn_id, occurred_at, treatment_name, animal_count, withdrawal_days)
     values ($1, $2, $3, $4, now(), 'Enrofloxacin', 40, $5)`,
    [tenant, id, farm, barn, withdrawalDays],
  );
  await everywhere("the treatment", `select id as value from barn_treatment_event where tenant_id = $1 and id = '${id}'`, [id]);
  return id;
};

const setDays = "update barn_treatment_event set withdrawal_days = $3 where tenant_id = $1 and id = $2";
const daysOf = (id: string): string =>
  `select withdrawal_days as value from barn_treatment_event where tenant_id = $1 and id = '${id}'`;
const openDays = (id: string): string =>
  `select array(select jsonb_array_elements(versions) ->> 'value' order by 1) as value from values_to_review where tenant_id = $1 and id = '${id}'`;

const namesThePerson = (error: unknown): boolean =>
  isHayloftError(error) && error.details["sqlstate"] === "23514" && error.details["constraint"] === "withdrawal_is_named";

describe("the farm's tables", () => {
  it("a record is voided and never deleted: the first void stays, a note beside it too, and no record goes", async () => {
    const id = newId();
    const animals = { ...place, id, occurred_at: new Date(), animal_count: 3, notes: "Three hens." };
    await tablets[0].replica.db.insertInto("barn_mortality_event").values(animals).execute();
    const read = `select animal_count || ' ' || notes || ' ' || coalesce(void_reason, '-') as value from barn_mortality_event where tenant_id = $1 and id = '${id}'`;
    await everywhere("the record", read, ["3 Three hens. -"]);
    const gone = write(tablets[0], "delete from barn_mortality_event where tenant_id = $1 and id = $2", [tenant, id]);
    await expect(gone).rejects.toSatisfy((error) => isHayloftError(error) && error.details["sqlstate"] === "HL003");
    await apart(async () => {
      const voided = "update barn_mortality_event set voided_at = now(), void_reason = $3 where tenant_id = $1 and id = $2";
      await write(tablets[0], voided, [tenant, id, "counted twice"]);
      await write(ofHub(), voided, [tenant, id, "wrong barn"]);
      const noted = "update barn_mortality_event set notes = notes || ' At the door.' where tenant_id = $1 and id = $2";
      await write(tablets[1], noted, [tenant, id]);
    });
    await everywhere("the first void and the note", read, ["3 Three hens. At the door. counted twice"]);
    await allEqual();
  });

  it("T-C20 P-C20 two tablets and the hub enter one daily count: it is one row, all values stay for review, and the hub's command decides", async () => {
    const day = "2026-02-03";
    const insert = `insert into barn_daily_count (tenant_id, farm_id, barn_id, record_date, animal_count, mortality_count, notes)
      values ($1, $2, $3, '${day}', $4, $5, $6)`;
    await apart(async () => {
      await write(ofHub(), insert, [tenant, farm, barn, 905, 1, null], "Office");
      await write(tablets[0], insert, [tenant, farm, barn, 900, 4, "Counted at noon."], "Ann");
      await write(tablets[1], insert, [tenant, farm, barn, 870, 0, "Counted at night."], "Ben");
      const correct = "update barn_daily_count set animal_count = $3 where tenant_id = $1 and barn_id = $2";
      await write(tablets[1], correct, [tenant, barn, 880], "Ben");
    });
    const id = dailyCountId(tenant, barn, day);
    const read = `select animal_count || ' ' || mortality_count as value from barn_daily_count where tenant_id = $1 and id = '${id}'`;
    await everywhere("the last count and the greater loss", read, ["880 4"]);
    const open = `select subject || ' ' || column_name || ' ' || (select string_agg(v ->> 'value' || ' ' || (v ->> 'author'), ', ' order by v ->> 'value')
      from jsonb_array_elements(versions) v) as value from values_to_review where tenant_id = $1 and id = '${id}' order by column_name`;
    await everywhere("all values of both figures", open, [
      "daily count animal_count 880 Ben, 900 Ann, 905 Office",
      "daily count mortality_count 0 Ben, 1 Office, 4 Ann",
    ]);
    const listed = await line.hub(hub, "review", "list", "--tenant", tenant, "--table", "barn_daily_count");
    expect([listed.code, listed.err]).toEqual([0, ""]);
    expect(listed.out).toMatch(
      /animal_count: shows "880"\n +"905" {2}by Office on the cloud .*\n +"900" {2}by Ann on the tablet .*\n +"880" {2}by Ben on the tablet /,
    );
    const [, review = ""] = /(\S+) {2}barn_daily_count \S+ animal_count/.exec(listed.out) ?? [];
    const decide = ["review", "decide", review, "--tenant", tenant, "--author", "Manager"] as const;
    expect(await line.hub(hub, ...decide)).toMatchObject({
      code: 2,
      err: expect.stringContaining("--value <value> or --no-value"),
    });
    expect(await line.hub(hub, ...decide, "--value", "900")).toMatchObject({ code: 0, err: "" });
    expect(await line.hub(hub, ...decide, "--value", "880")).toMatchObject({
      code: 1,
      err: expect.stringContaining("review-changed"),
    });
    await everywhere("the decision", read, ["900 4"]);
    await everywhere("the figure that is still open", open, ["daily count mortality_count 0 Ben, 1 Office, 4 Ann"]);
    const audit = "audit_events where tenant_id = $1 and action = 'review.decided' and actor_id = 'Manager'";
    expect(await countOf(hub.database, audit, [tenant])).toBe(1);
    const notes = `select notes like '%noon%' and notes like '%night%' as value from barn_daily_count where tenant_id = $1 and id = '${id}'`;
    await everywhere("both notes", notes, [true]);
    await allEqual();
  });

  it("P-C20 of two withdrawal times both are kept and the longer holds, until a person decides at the edge, by name", async () => {
    const id = await treat(10);
    await apart(async () => {
      await write(tablets[0], setDays, [tenant, id, 28], "Ann");
      await write(tablets[1], setDays, [tenant, id, 14], "Ben");
    });
    await everywhere("the longer time", daysOf(id), [28]);
    await everywhere("both times", openDays(id), [["14", "28"]]);
    const listed = await line.edge(edge, "review", "list", "--table", "barn_treatment_event", "--json");
    const { items } = JSON.parse(listed.out) as { readonly items: readonly { readonly id: string }[] };
    expect(items).toMatchObject([{ key: [id], column: "withdrawal_days", shown: "28" }]);
    const decided = await line.edge(edge, "review", "decide", items[0]?.id ?? "", "--value", "28", "--author", "Vet");
    expect([decided.code, decided.err]).toEqual([0, ""]);
    await everywhere("no open review", openDays(id), []);
    await everywhere("the time that showed already", daysOf(id), [28]);
    const audit = "audit_events where tenant_id = $1 and action = 'review.decided' and actor_id = 'Vet'";
    await until("the audit event at the hub", async () => (await countOf(hub.database, audit, [tenant])) === 1);
    await allEqual();
  });

  it("a withdrawal time becomes shorter only with a person's name, and the hub's audit log says who, wherever it was done", async () => {
    const id = await treat(21);
    for (const at of [tablets[1], ofEdge(edge), ofHub()]) {
      for (const days of [7, null]) await expect(write(at, setDays, [tenant, id, days])).rejects.toSatisfy(namesThePerson);
    }
    await apart(async () => {
      await write(tablets[1], setDays, [tenant, id, 12], "Vet Two");
      await write(ofHub(), setDays, [tenant, id, 30]);
    });
    await everywhere("the time of who did not know of the shorter one", daysOf(id), [30]);
    await everywhere("both", openDays(id), [["12", "30"]]);
    const audit = `select actor_id || ': ' || summary as value from audit_events where tenant_id = $1 and action = 'treatment.withdrawal-shortened'`;
    await until("the audit event at the hub", async () => {
      const { rows } = await hub.database.query<{ value: string }>(audit, [tenant]);
      return rows.length === 1 && rows[0]?.value === "Vet Two: Enrofloxacin: withdrawal time from 21 to 12 days";
    });
  });

  it("what two tablets, the edge and the hub take from the stock, each alone, is all taken", async () => {
    const id = barnStockId(tenant, barn, "starter-feed");
    const insert = `insert into barn_stock (tenant_id, farm_id, barn_id, item_code, item_name, unit, on_hand)
      values ($1, $2, $3, 'starter-feed', 'Starter feed', 'kg', $4)`;
    await write(ofHub(), insert, [tenant, farm, barn, 1000]);
    const read = `select on_hand::text as value from barn_stock where tenant_id = $1 and id = '${id}'`;
    await everywhere("the stock", read, ["1000.000"]);
    await apart(async () => {
      const take = "update barn_stock set on_hand = on_hand + $3 where tenant_id = $1 and id = $2";
      for (let round = 0; round < 5; round += 1) {
        await write(tablets[0], take, [tenant, id, -12.5]);
        await write(tablets[1], take, [tenant, id, -0.125]);
        await write(ofEdge(edge), take, [tenant, id, 40]);
        await write(ofEdge(spare), take, [tenant, id, -1]);
        await write(ofHub(), take, [tenant, id, 300]);
      }
    });
    await everywhere("every taking", read, [(1000 + 5 * (-12.5 - 0.125 + 40 - 1 + 300)).toFixed(3)]);
    await allEqual();
  });

  it("a session that one machine finalizes and a person cancels meanwhile is cancelled everywhere, with both notes", async () => {
    const id = weightSessionId(tenant, "st-rules", "lattice");
    await write(
      ofEdge(edge),
      `insert into weight_sessions (tenant_id, session_id, farm_id, barn_id, device_id, station_id, start_at, status, notes)
       values ($1, 'lattice', $2, $3, 'd', 'st-rules', now(), 'incomplete', 'One bird.')`,
      [tenant, farm, barn],
    );
    const read = `select status || ' ' || coalesce(cancel_reason, '-') || ' ' || notes as value from weight_sessions where tenant_id = $1 and id = '${id}'`;
    await everywhere("the session", read, ["incomplete - One bird."]);
    await apart(async () => {
      const change =
        "update weight_sessions set status = $3, cancel_reason = $4, notes = notes || $5 where tenant_id = $1 and id = $2";
      await write(tablets[0], change, [tenant, id, "cancelled", "two birds", " It was two."]);
      await write(ofEdge(edge), change, [tenant, id, "finalized", null, " Scale checked."]);
    });
    await everywhere(
      "cancelled, with every note",
      `select status || ' ' || cancel_reason || ' ' || (notes like '%It was two.%' and notes like '%Scale checked.%')
      as value from weight_sessions where tenant_id = $1 and id = '${id}'`,
      ["cancelled two birds true"],
    );
    await allEqual();
  });

  it("a session that two machines begin under two ids, each with weights, is one row with all weights on every tier", async () => {
    const id = weightSessionId(tenant, "st-rules", "both");
    const begin = async (at: TestEdge, kg: number): Promise<void> => {
      const wrongId = `00000000-0000-8000-8000-00000000000${String(kg)}`;
      await at.daemon.replica.write(async (db) => {
        const session = {
          ...place,
          id: wrongId,
          session_id: "both",
          device_id: "d",
          station_id: "st-rules",
          start_at: new Date(),
        };
        await db.insertInto("weight_sessions").values(session).execute();
        const weight = { ...place, weight_session_id: id, session_id: "both", occurred_at: new Date() };
        for (const nth of [1, 2]) {
          const row = { ...weight, id: newId(), weight_kg: String(kg), event_id: `${at.node}-${String(nth)}` };
          await db.insertInto("session_weights").values(row).execute();
        }
      });
    };
    await apart(async () => {
      await begin(edge, 2);
      await begin(spare, 3);
    });
    const read = `select s.id::text || ' ' || string_agg(trim_scale(w.weight_kg)::text, ',' order by w.weight_kg) as value from weight_sessions s
      join session_weights w on w.tenant_id = s.tenant_id and w.weight_session_id = s.id
      where s.tenant_id = $1 and s.session_id = 'both' group by s.id`;
    await everywhere("one session with all weights", read, [`${id} 2,2,3,3`]);
    await allEqual();
    for (const database of databases()) expect(await countOf(database, "hayloft.quarantine")).toBe(0);
  });

  it("T-C10 P-C10 a refused record in the middle of others is never told as stored: its receipt says refused, theirs applied", async () => {
    const [tablet] = tablets;
    // A program that forgets the check.
    await tablet.database.script("alter table barn_cull_event drop constraint barn_cull_event_animal_count_check");
    const cull = async (animals: number) => {
      const id = newId();
      const { receipt } = await tablet.replica.write(
        async (db) =>
          await db
            .insertInto("barn_cull_event")
            .values({ ...place, id, occurred_at: new Date(), animal_count: animals })
            .execute(),
      );
      return { id, receipt };
    };
    await tablet.close();
    await tablet.open(null);
    const written = [await cull(1), await cull(-1), await cull(2)];
    await tablet.close();
    await tablet.connect(edge.address);
    const outcomes = await Promise.all(
      written.map(async ({ receipt }) =>
        receipt === null ? null : await tablet.replica.receipt(receipt).until("top", { deadlineMs: 60_000 }),
      ),
    );
    expect(outcomes).toEqual([
      { outcome: "applied", code: null },
      { outcome: "refused", code: "refused-constraint" },
      { outcome: "applied", code: null },
    ]);
    const good = [written[0]?.id, written[2]?.id];
    await everywhere("the good ones", "select id as value from barn_cull_event where tenant_id = $1 order by id", good);
    for (const at of [edge, tablet]) expect(await countOf(at.database, "hayloft.quarantine where state = 'held'")).toBe(1);
  });
});
