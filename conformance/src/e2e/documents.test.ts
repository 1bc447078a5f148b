import { planFarm } from "@hayloft/device-simulator";
import type { Database, Replica } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import type { FarmRows } from "@hayloft/schema";
import { logPageId } from "@hayloft/schema";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { becomeEqual } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { TestTablet } from "./test-tablet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const plan = planFarm("t-notes", "f-notes", 1);
const { tenant, farm } = plan;
const barn = plan.barns[0]?.barn ?? "";
const place = { tenant_id: tenant, farm_id: farm, barn_id: barn };

let hub: TestHub;
let edge: TestEdge;
let tablet: TestTablet;

beforeAll(async () => {
  hub = await TestHub.start();
  await enterFarm(hub.database, plan);
  edge = await TestEdge.start(hub, { tenant });
  tablet = await TestTablet.enrol(hub, { tenant, farms: [farm], barns: [barn] });
  await tablet.connect(edge.address);
});
afterAll(async () => {
  await tablet.end();
  await edge.end();
  await hub.end();
});

const everywhere = async (what: string, sql: string, isRight: (value: unknown) => boolean): Promise<void> => {
  for (const [index, database] of [hub.database, edge.database, tablet.database].entries())
    await until(`${what} in database ${String(index)}`, async () =>
      isRight((await database.query<{ value: unknown }>(sql, [tenant])).rows[0]?.value),
    );
};

const change = async (database: Database, sql: string): Promise<void> => void (await database.query(sql, [tenant]));

describe("documents of the farm", () => {
  it("a note that tablet, edge and hub edit while the tablet is away ends equal on all three, with every edit in it", async () => {
    const id = newId();
    const animals = { ...place, id, occurred_at: new Date(), animal_count: 3, notes: "Three hens at the east door." };
    await hub.hub.replica.db.insertInto("barn_mortality_event").values(animals).execute();
    const read = "select notes as value from barn_mortality_event where tenant_id = $1";
    await everywhere("the note", read, (value) => value === "Three hens at the east door.");
    await tablet.close();
    await tablet.open(null);
    await change(tablet.database, "update barn_mortality_event set notes = notes || ' Carcasses removed.' where tenant_id = $1");
    await change(
      edge.database,
      "update barn_mortality_event set notes = replace(notes, 'east', 'north-east') where tenant_id = $1",
    );
    await change(hub.database, "update barn_mortality_event set notes = 'Vet told. ' || notes where tenant_id = $1");
    await tablet.close();
    await tablet.connect(edge.address);
    await everywhere("every edit", read, (value) => value === "Vet told. Three hens at the north-east door. Carcasses removed.");
  });

  it("a log page that two begin on one day, each offline, is one page with the words and ticks of both", async () => {
    const day = "2026-03-04";
    const id = logPageId(tenant, barn, day);
    await tablet.close();
    await tablet.open(null);
    const begin = async (replica: Replica<FarmRows>, notes: string, item: string): Promise<void> => {
      const checklist = JSON.stringify({ items: [{ id: item, text: item, done: false }] });
      await replica.write(
        async (db) =>
          await db
            .insertInto("barn_log_page")
            .values({ ...place, record_date: day, notes, checklist })
            .execute(),
      );
    };
    await begin(tablet.replica, "Tablet: fans checked.", "water");
    await begin(hub.hub.replica, "Office: feed ordered.", "feed");
    await tablet.replica.editDocument(
      { table: "barn_log_page", key: { tenant_id: tenant, id }, column: "checklist" },
      (value) => {
        const [first] = (value as { readonly items: { done: boolean }[] }).items;
        if (first !== undefined) first.done = true;
      },
    );
    await tablet.close();
    await tablet.connect(edge.address);
    const words = ["Tablet: fans checked.", "Office: feed ordered."];
    await everywhere("both notes", "select notes as value from barn_log_page where tenant_id = $1", (value) =>
      words.every((word) => String(value).includes(word)),
    );
    const lists = [`{"id": "water", "done": true, "text": "water"}`, `{"id": "feed", "done": false, "text": "feed"}`];
    await everywhere("both lists", "select checklist::text as value from barn_log_page where tenant_id = $1", (value) =>
      lists.every((item) => String(value).includes(item)),
    );
    for (const database of [edge.database, tablet.database])
      await becomeEqual(hub.database, database, tenant, ["barn_log_page", "barn_mortality_event"]);
    expect((await hub.database.query("select 1 from barn_log_page")).rows).toHaveLength(1);
  });
});
