import type { Database } from "@hayloft/engine";
import { derivedId, newId } from "@hayloft/engine";
import { eachDatabase } from "@hayloft/engine/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { weightSessionId } from "../natural-ids.ts";
import { seedFarm } from "../seed/seed-farm.ts";
import type { SeedBarn } from "../seed/seed-plan.ts";
import { farmDatabase } from "../testing/farm-database.ts";

eachDatabase("the views", (open) => {
  let database: Database;
  let barn: SeedBarn;
  let sibling: SeedBarn;
  let stranger: SeedBarn;

  beforeAll(async () => {
    database = await farmDatabase(open, "edge");
    const { tenants } = await seedFarm(database, { tenants: 2, captured: false });
    const barns = tenants.flatMap((tenant) => tenant.farms.flatMap((farm) => farm.barns));
    const [first, second, third] = barns;
    if (first === undefined || second === undefined || third === undefined) throw new Error("the plan has too few barns");
    [barn, sibling, stranger] = [first, second, third];
  });
  afterAll(() => database.close());

  /** Writes as if the hub had sent it. */
  const receive = (sql: string, parameters: readonly (string | number | null)[]): Promise<void> =>
    database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query(sql, parameters);
    });

  const addRule = (farm: string | null, place: string | null, metric: string, op: string, value: number) =>
    receive(
      "insert into config_threshold_rules (tenant_id, id, farm_id, barn_id, metric, op, value) values ($1, $2, $3, $4, $5, $6, $7)",
      [barn.tenant_id, newId(), farm, place, metric, op, value],
    );

  const rulesOf = async (where: SeedBarn) => {
    const { rows } = await database.query<{ rule: string }>(
      "select metric || ' ' || op || ' ' || value || ' ' || set_for as rule from effective_threshold_rules where tenant_id = $1 and barn_id = $2 order by 1",
      [where.tenant_id, where.barn_id],
    );
    return rows.map((row) => row.rule);
  };

  it("T-C14 P-C14 rules are inherited per metric, and the most specific one wins", async () => {
    await addRule(barn.farm_id, null, "temperature", "gt", 30);
    await addRule(barn.farm_id, barn.barn_id, "temperature", "gt", 28);
    await addRule(barn.farm_id, barn.barn_id, "co2", "gt", 3000);
    expect(await rulesOf(barn)).toEqual([
      "ammonia gt 25.0000 tenant",
      "co2 gt 3000.0000 barn",
      "temperature gt 28.0000 barn",
      "temperature lt 18.0000 tenant",
    ]);
    expect(await rulesOf(sibling)).toEqual([
      "ammonia gt 25.0000 tenant",
      "temperature gt 30.0000 farm",
      "temperature lt 18.0000 tenant",
    ]);
    expect(await rulesOf(stranger)).toEqual([
      "ammonia gt 25.0000 tenant",
      "temperature gt 32.0000 tenant",
      "temperature lt 18.0000 tenant",
    ]);
  });

  it("T-C14 target curves are inherited per species and day", async () => {
    const add = (farm: string | null, place: string | null, day: number, weight: number) =>
      receive(
        "insert into config_target_curves (tenant_id, id, farm_id, barn_id, species, day, target_weight_kg) values ($1, $2, $3, $4, 'chicken', $5, $6)",
        [barn.tenant_id, newId(), farm, place, day, weight],
      );
    await add(null, null, 1, 0.04);
    await add(null, null, 42, 2.5);
    await add(barn.farm_id, barn.barn_id, 42, 2.8);
    const { rows } = await database.query(
      "select day, target_weight_kg, set_for from effective_target_curves where tenant_id = $1 and barn_id = $2 order by day",
      [barn.tenant_id, barn.barn_id],
    );
    expect(rows).toEqual([
      { day: 1, target_weight_kg: "0.040", set_for: "tenant" },
      { day: 42, target_weight_kg: "2.800", set_for: "barn" },
    ]);
  });

  it("S5.14 the state of a session is its newest inference, in whatever order they arrive", async () => {
    const session = weightSessionId(barn.tenant_id, barn.station_id, "s1");
    await receive(
      "insert into weight_sessions (tenant_id, session_id, farm_id, barn_id, device_id, station_id, start_at) values ($1, 's1', $2, $3, 'd', $4, '2026-02-01T00:00:00Z')",
      [barn.tenant_id, barn.farm_id, barn.barn_id, barn.station_id],
    );
    for (const [minute, weight] of [
      [2, 2.2],
      [3, 2.3],
      [1, 2.1],
    ] as const) {
      await receive(
        `insert into inference_results (tenant_id, id, farm_id, barn_id, device_id, session_id, weight_session_id, media_id, model_version, predicted_weight_kg, confidence, occurred_at, event_id)
         values ($1, $2, $3, $4, 'd', 's1', $5, $6, 'v1', $7, 0.9, $8, $6)`,
        [barn.tenant_id, newId(), barn.farm_id, barn.barn_id, session, `m${minute}`, weight, `2026-02-01T00:0${minute}:00Z`],
      );
    }
    const { rows } = await database.query(
      "select session_id, station_id, predicted_weight_kg, confidence, last_event_id, updated_at from analytics_session_state where tenant_id = $1",
      [barn.tenant_id],
    );
    expect(rows).toEqual([
      {
        session_id: "s1",
        station_id: barn.station_id,
        predicted_weight_kg: "2.300",
        confidence: "0.9000",
        last_event_id: "m3",
        updated_at: new Date("2026-02-01T00:03:00Z"),
      },
    ]);
  });

  it("S5.7 a record for a closed batch is accepted and flagged", async () => {
    await receive("update batches set status = 'completed', end_date = '2026-03-01' where tenant_id = $1 and id = $2", [
      sibling.tenant_id,
      sibling.batch_id,
    ]);
    const add = (at: string) =>
      database.query(
        "insert into barn_mortality_event (tenant_id, id, farm_id, barn_id, batch_id, occurred_at, animal_count) values ($1, $2, $3, $4, $5, $6, 3)",
        [sibling.tenant_id, newId(), sibling.farm_id, sibling.barn_id, sibling.batch_id, at],
      );
    await add("2026-02-28T10:00:00Z");
    await add("2026-03-05T10:00:00Z");
    const { rows } = await database.query(
      "select record_table, batch_id, batch_status, occurred_at from late_barn_records where tenant_id = $1",
      [sibling.tenant_id],
    );
    expect(rows).toEqual([
      {
        record_table: "barn_mortality_event",
        batch_id: sibling.batch_id,
        batch_status: "completed",
        occurred_at: new Date("2026-03-05T10:00:00Z"),
      },
    ]);
  });

  it("S5.27 S5.31 the old outbox and its state show what waits, what was acknowledged and what was refused", async () => {
    const tenant = stranger.tenant_id;
    const add = (at: string) =>
      database.query(
        "insert into barn_cull_event (tenant_id, id, farm_id, barn_id, occurred_at, animal_count) values ($1, $2, $3, $4, $5, 1)",
        [tenant, newId(), stranger.farm_id, stranger.barn_id, at],
      );
    for (const day of [1, 2, 3]) await add(`2026-03-0${day}T10:00:00Z`);
    const outbox = async () =>
      (
        await database.query(
          "select event_type, status, last_error_code from sync_outbox where tenant_id = $1 order by created_at",
          [tenant],
        )
      ).rows;
    const waiting = { event_type: "barn_cull_event", status: "pending", last_error_code: null };
    expect(await outbox()).toEqual([waiting, waiting, waiting]);
    await database.query(
      `insert into hayloft.peer (node_id, tenant_id, relation, acked_incarnation, acked_position, acked_at, last_contact_at)
       select $1, tenant_id, 'parent', incarnation, 2, now(), now() from hayloft.head where tenant_id = $2`,
      [newId(), tenant],
    );
    await database.query(
      `insert into hayloft.quarantine (tenant_id, origin, seq, code, changes)
       select tenant_id, origin, seq, 'refused-scope', '[]' from hayloft.commit where tenant_id = $1 and position = 2`,
      [tenant],
    );
    expect(await outbox()).toEqual([
      { ...waiting, status: "acked" },
      { ...waiting, status: "failed", last_error_code: "refused-scope" },
      waiting,
    ]);
    const { rows } = await database.query(
      `select s.last_acked_at is not null as acked, s.consecutive_failures, o.status
       from sync_state s join sync_outbox o on o.tenant_id = s.tenant_id and o.id = s.last_acked_event_id where s.tenant_id = $1`,
      [tenant],
    );
    expect(rows).toEqual([{ acked: true, consecutive_failures: 0, status: "failed" }]);
  });

  it("P-E7 a change has one id, which follows from its commit and is the same on every tier; there is no second outbox", async () => {
    const { rows } = await database.query<{ id: string; origin: string; seq: number }>(
      `select o.id::text as id, c.origin::text as origin, c.seq from sync_outbox o join hayloft.commit c on c.tenant_id = o.tenant_id
         and hayloft.derived_id('sync_outbox', array[c.origin::text, c.seq::text]) = o.id`,
    );
    expect(rows.length).toBeGreaterThan(2);
    for (const { id, origin, seq } of rows) expect(id).toBe(derivedId("sync_outbox", [origin, String(seq)]));
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    const boxes = await database.query(
      "select relname::text as name, relkind::text as kind from pg_class where relname like '%outbox%'",
    );
    expect(boxes.rows).toEqual([{ name: "sync_outbox", kind: "v" }]);
  });

  it("S5.10 S5.13 the old dedupe tables show each event once", async () => {
    const { rows } = await database.query("select event_id from cloud_dedupe where tenant_id = $1 order by 1", [barn.tenant_id]);
    expect(rows).toEqual([{ event_id: "m1" }, { event_id: "m2" }, { event_id: "m3" }]);
    await receive(
      "insert into analytics_results (tenant_id, id, type, metric, value, occurred_at, source_event_id) values ($1, $2, 'kpi', 'fcr', 1.5, now(), 'm1'), ($1, $3, 'kpi', 'adg', 55, now(), 'm1')",
      [barn.tenant_id, newId(), newId()],
    );
    expect(
      (await database.query("select event_id from analytics_event_dedupe where tenant_id = $1", [barn.tenant_id])).rows,
    ).toEqual([{ event_id: "m1" }]);
  });
});
