import type { Database } from "@hayloft/engine";
import { kyselyOf, newId } from "@hayloft/engine";
import { eachDatabase } from "@hayloft/engine/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FarmRows } from "../farm-catalog.ts";
import { dailyCountId, weightSessionId } from "../natural-ids.ts";
import { farmDatabase } from "../testing/farm-database.ts";
import { seedFarm } from "./seed-farm.ts";
import type { SeedBarn, SeedPlan } from "./seed-plan.ts";
import { seedId, seedPlan } from "./seed-plan.ts";

/** SQLSTATE of a refused statement, or `ok`. */
async function stateOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    return String((error as { details?: { sqlstate?: string } }).details?.sqlstate ?? error);
  }
}

const unique = "23505";
const foreignKey = "23503";
const check = "23514";
const notNull = "23502";
/** What the guards of the writer's tier say. */
const guard = { table: "HL001", column: "HL002", monotone: "HL004" };

eachDatabase("the farm's tables", (open) => {
  let database: Database;
  let plan: SeedPlan;
  let barn: SeedBarn;
  let other: SeedBarn;

  beforeAll(async () => {
    database = await farmDatabase(open, "cloud");
    plan = await seedFarm(database, { tenants: 2 });
    const [first, second] = plan.tenants.map((tenant) => tenant.farms[0]?.barns[0]);
    if (first === undefined || second === undefined) throw new Error("the plan has no barns");
    barn = first;
    other = second;
  });
  afterAll(() => database.close());

  /** Runs SQL in a transaction that is rolled back afterwards, with deferred checks made at once. */
  const attempt = (sql: string, parameters: readonly (string | number | null)[] = []): Promise<string> => {
    const undo = new Error("undo");
    return stateOf(
      database
        .transaction(async (tx) => {
          // As if another tier had sent it, so that constraints speak and not the guard of the writer's tier.
          await tx.query("select set_config('hayloft.applying', 'on', true)");
          await tx.query(sql, parameters);
          await tx.query("set constraints all immediate");
          throw undo;
        })
        .catch((error: unknown) => {
          if (error !== undo) throw error;
        }),
    );
  };

  it("S5.2 seeding again changes nothing and writes nothing to the log", async () => {
    const count = async () =>
      (
        await database.query(
          "select (select count(*) from hayloft.change)::int as changes, (select count(*) from devices)::int as devices",
        )
      ).rows[0];
    const before = await count();
    expect(await seedFarm(database, { tenants: 2 })).toEqual(plan);
    expect(await count()).toEqual(before);
  });

  it("P-S4 the fixed ids have the shape of version 7", () => {
    const { tenants } = seedPlan({ tenants: 3, farmsPerTenant: 3, barnsPerFarm: 3 });
    const barns = tenants.flatMap((tenant) => tenant.farms.flatMap((farm) => farm.barns));
    const ids = barns.flatMap((item) => [
      item.barn_id,
      item.batch_id,
      item.station_id,
      item.weigh_device_id,
      item.feeder_device_id,
      ...item.sensor_device_ids,
    ]);
    expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("S0.2 the row types of the catalog serve queries", async () => {
    const rows = await kyselyOf<FarmRows>(database)
      .selectFrom("batches")
      .select(["id", "status", "start_date", "end_date", "created_at"])
      .where("tenant_id", "=", barn.tenant_id)
      .where("id", "=", barn.batch_id)
      .execute();
    expect(rows).toEqual([
      { id: barn.batch_id, status: "active", start_date: "2026-01-01", end_date: null, created_at: expect.any(Date) },
    ]);
  });

  it("S7.4 S5.5 S5.6 S5.9 a second farm, barn or station of the same name is refused", async () => {
    const { tenant_id, farm_id, barn_id } = barn;
    expect(await attempt("insert into farms (tenant_id, id, name) values ($1, 'f2', 'Farm 1')", [tenant_id])).toBe(unique);
    expect(
      await attempt("insert into barns (tenant_id, id, farm_id, name) values ($1, 'b2', $2, 'Barn 1')", [tenant_id, farm_id]),
    ).toBe(unique);
    expect(
      await attempt("insert into stations (tenant_id, id, farm_id, barn_id, name) values ($1, 's2', $2, $3, 'Scale')", [
        tenant_id,
        farm_id,
        barn_id,
      ]),
    ).toBe(unique);
    expect(await attempt("insert into farms (tenant_id, id, name) values ($1, 'f2', 'Farm 1b')", [tenant_id])).toBe("ok");
  });

  it("S3.1 S7.2 P-C9 a child of another tenant's parent is refused by the database", async () => {
    const values = [barn.tenant_id, other.farm_id, other.barn_id] as const;
    expect(
      await attempt("insert into barns (tenant_id, id, farm_id, name) values ($1, 'x', $2, 'X')", [values[0], values[1]]),
    ).toBe(foreignKey);
    expect(
      await attempt(
        "insert into batches (tenant_id, id, farm_id, barn_id, species, start_date) values ($1, 'x', $2, $3, 'chicken', '2026-01-01')",
        values,
      ),
    ).toBe(foreignKey);
    expect(
      await attempt("insert into stations (tenant_id, id, farm_id, barn_id, name) values ($1, 'x', $2, $3, 'X')", values),
    ).toBe(foreignKey);
    expect(
      await attempt(
        "insert into devices (tenant_id, id, farm_id, barn_id, device_type) values ($1, 'x', $2, $3, 'scale')",
        values,
      ),
    ).toBe(foreignKey);
  });

  it("S7.7 an unknown state is refused where it is written", async () => {
    const where = "where tenant_id = $1";
    for (const table of ["tenants", "farms", "barns", "batches", "devices", "stations"]) {
      expect(await attempt(`update ${table} set status = 'sleeping' ${where}`, [barn.tenant_id]), table).toBe(check);
    }
    expect(await attempt("update config_threshold_rules set severity = 'dire' where tenant_id = $1", [barn.tenant_id])).toBe(
      check,
    );
  });

  it("S5.7 a batch that was closed is not opened again", async () => {
    const set = (status: string) =>
      stateOf(
        database.query("update batches set status = $3 where tenant_id = $1 and id = $2", [
          other.tenant_id,
          other.batch_id,
          status,
        ]),
      );
    expect(await set("completed")).toBe("ok");
    expect(await set("active")).toBe(guard.monotone);
    expect(await set("cancelled")).toBe("ok");
  });

  it("S4.1 S4.2 the hub may not write what a device measured, nor the device's part of a session", async () => {
    const place = [barn.tenant_id, barn.farm_id, barn.barn_id] as const;
    const reading =
      "insert into telemetry_raw (tenant_id, id, farm_id, barn_id, device_id, metric, value, occurred_at, event_id) values ($1, $4, $2, $3, 'd', 'm', 1, now(), 'hub')";
    expect(await stateOf(database.query(reading, [...place, newId()]))).toBe(guard.table);
    const session = [barn.tenant_id, weightSessionId(barn.tenant_id, "guarded", "s")] as const;
    await database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query(
        "insert into weight_sessions (tenant_id, session_id, farm_id, barn_id, device_id, station_id, start_at, status) values ($1, 's', $2, $3, 'd', 'guarded', now(), 'finalized')",
        place,
      );
    });
    const set = (assignment: string) =>
      stateOf(database.query(`update weight_sessions set ${assignment} where tenant_id = $1 and id = $2`, session));
    expect(await set("device_id = 'other'")).toBe(guard.column);
    expect(await set("status = 'created'")).toBe(guard.monotone);
    expect(await set("notes = 'two birds on the scale'")).toBe("ok");
    expect(await set("status = 'cancelled', cancel_reason = 'two birds'")).toBe("ok");
  });

  it("S15.1 P-S4 an id of ours that is no version 7 or 8 is refused, also by SQL", async () => {
    const insert =
      "insert into barn_mortality_event (tenant_id, id, farm_id, barn_id, occurred_at, animal_count) values ($1, $2, $3, $4, now(), 1)";
    const place = [barn.farm_id, barn.barn_id] as const;
    expect(await attempt(insert, [barn.tenant_id, "7f1de5a7-1c8a-4b8e-9d4c-0123456789ab", ...place])).toBe(check);
    expect(await attempt(insert, [barn.tenant_id, newId(), ...place])).toBe("ok");
  });

  it("S3.4 ids from outside are text of 1 to 128 characters", async () => {
    const insert = "insert into farms (tenant_id, id, name) values ($1, $2, 'X')";
    expect(await attempt(insert, [barn.tenant_id, ""])).toBe(check);
    expect(await attempt(insert, [barn.tenant_id, "x".repeat(129)])).toBe(check);
    expect(await attempt(insert, [barn.tenant_id, "โรงเรือน ๑"])).toBe("ok");
  });

  it("S5.1 an email is unique and in lower case", async () => {
    const insert = "insert into users (tenant_id, id, email, display_name) values ($1, $2, $3, 'X')";
    expect(await attempt(insert, [barn.tenant_id, newId(), "tenant-admin@tenant-1.example"])).toBe(unique);
    expect(await attempt(insert, [barn.tenant_id, newId(), "New@tenant-1.example"])).toBe(check);
  });

  it("S5.3 a person has a role once", async () => {
    const insert = "insert into user_roles (tenant_id, user_id, role_id) values ($1, $2, $3)";
    const [user] = plan.tenants[0]?.users ?? [];
    expect(await attempt(insert, [barn.tenant_id, user?.user_id ?? "", user?.role_id ?? ""])).toBe(unique);
  });

  it("P-C18 two rules for the same place, metric and comparison are refused, also for the whole tenant", async () => {
    const insert = "insert into config_threshold_rules (tenant_id, id, metric, op, value) values ($1, $2, 'temperature', $3, 1)";
    expect(await attempt(insert, [barn.tenant_id, newId(), "gt"])).toBe(unique);
    expect(await attempt(insert, [barn.tenant_id, newId(), "gte"])).toBe("ok");
  });

  it("P-C12 two stations in the same second, and two tenants, are separate sessions; the same one is one row", async () => {
    const insert =
      "insert into weight_sessions (tenant_id, session_id, farm_id, barn_id, device_id, station_id, start_at) values ($1, '20260212_093215', $2, $3, 'd', $4, now()) on conflict do nothing returning id::text";
    const ids: (string | undefined)[] = [];
    await database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      for (const [where, station] of [
        [barn, "one"],
        [barn, "two"],
        [other, "one"],
        [barn, "one"],
      ] as const) {
        const { rows } = await tx.query<{ id: string }>(insert, [where.tenant_id, where.farm_id, where.barn_id, station]);
        ids.push(rows[0]?.id);
      }
    });
    expect(ids).toEqual([
      weightSessionId(barn.tenant_id, "one", "20260212_093215"),
      weightSessionId(barn.tenant_id, "two", "20260212_093215"),
      weightSessionId(other.tenant_id, "one", "20260212_093215"),
      undefined,
    ]);
  });

  it("P-C20 a day of a barn has one count, with an id that follows from both", async () => {
    const insert =
      "insert into barn_daily_count (tenant_id, farm_id, barn_id, record_date, animal_count) values ($1, $2, $3, '2026-02-01', $4)";
    const { rows } = await database.query<{ id: string }>(`${insert} returning id::text`, [
      barn.tenant_id,
      barn.farm_id,
      barn.barn_id,
      100,
    ]);
    expect(rows).toEqual([{ id: dailyCountId(barn.tenant_id, barn.barn_id, "2026-02-01") }]);
    expect(await attempt(insert, [barn.tenant_id, barn.farm_id, barn.barn_id, 99])).toBe(unique);
    expect(await attempt(insert, [barn.tenant_id, barn.farm_id, barn.barn_id, -1])).toBe(check);
  });

  it("S5.15 S10.3 a result is stored once per type, source and metric, and `window` needs no care", async () => {
    const insert = `insert into analytics_results (tenant_id, id, type, metric, value, "window", occurred_at, source_event_id) values ($1, $2, 'kpi', 'fcr', 1.5, '7d', now(), 'e1') on conflict do nothing`;
    await database.query(insert, [barn.tenant_id, newId()]);
    await database.query(insert, [barn.tenant_id, newId()]);
    const rows = await kyselyOf<FarmRows>(database)
      .selectFrom("analytics_results")
      .select(["window", "value"])
      .where("tenant_id", "=", barn.tenant_id)
      .execute();
    expect(rows).toEqual([{ window: "7d", value: "1.5000" }]);
  });

  it("S3.2 P-C4 farm and barn are required on what devices send", async () => {
    for (const column of ["farm_id", "barn_id", "device_id", "occurred_at", "value"]) {
      const row: Record<string, string | number | null> = {
        tenant_id: barn.tenant_id,
        id: newId(),
        farm_id: "f",
        barn_id: "b",
        device_id: "d",
        metric: "m",
        value: 1,
        occurred_at: "2026-11-01T00:00:00Z",
        event_id: "e",
      };
      row[column] = null;
      const names = Object.keys(row);
      const sql = `insert into telemetry_raw (${names.join()}) values (${names.map((_, index) => `$${index + 1}`).join()})`;
      expect(await attempt(sql, Object.values(row)), column).toBe(notNull);
    }
  });

  it("S5.26 P-C16 one result per image and model, with a confidence between 0 and 1", async () => {
    const insert =
      "insert into inference_results (tenant_id, id, farm_id, barn_id, device_id, media_id, model_version, confidence, occurred_at, event_id) values ($1, $2, 'f', 'b', 'd', 'm', $3, $4, now(), $5)";
    await database.query(insert, [barn.tenant_id, newId(), "v1", 0.5, "i1"]);
    expect(await attempt(insert, [barn.tenant_id, newId(), "v1", 0.5, "i2"])).toBe(unique);
    expect(await attempt(insert, [barn.tenant_id, newId(), "v2", 0.5, "i3"])).toBe("ok");
    expect(await attempt(insert, [barn.tenant_id, newId(), "v3", 1.5, "i4"])).toBe(check);
  });

  it("a void names its time and its reason together", async () => {
    const insert =
      "insert into barn_mortality_event (tenant_id, id, farm_id, barn_id, occurred_at, animal_count, voided_at, void_reason) values ($1, $2, $3, $4, now(), 1, $5, $6)";
    const start = [barn.tenant_id, newId(), barn.farm_id, barn.barn_id] as const;
    expect(await attempt(insert, [...start, "2026-02-01T00:00:00Z", null])).toBe(check);
    expect(await attempt(insert, [...start, "2026-02-01T00:00:00Z", "counted twice"])).toBe("ok");
  });

  it("rows can be placed on a tier that may not write them, without a change in its log", async () => {
    const edge = await farmDatabase(open, "edge");
    try {
      await expect(seedFarm(edge)).rejects.toThrow();
      await seedFarm(edge, { captured: false });
      expect((await edge.query("select id from barns order by id")).rows).toEqual([{ id: seedId(1_101) }, { id: seedId(1_102) }]);
      expect((await edge.query("select 1 from hayloft.change")).rows).toEqual([]);
    } finally {
      await edge.close();
    }
  });
});
