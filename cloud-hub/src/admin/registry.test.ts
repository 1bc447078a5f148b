import type { Database } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { freshPostgres } from "@hayloft/engine/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareDatabase } from "../hub/prepare-database.ts";
import { closeBatch, createBatch, listBatches } from "./batches.ts";
import { createDevice, listDevices, setDeviceEnabled } from "./devices.ts";
import { moveBarn } from "./move-barn.ts";
import { createBarn, createFarm, createStation, listBarns, renameBarn } from "./places.ts";
import { createTenant, listTenants } from "./tenants.ts";

let database: Database;

beforeAll(async () => {
  database = await freshPostgres();
  await prepareDatabase(database, null);
  for (const tenant of ["t-1", "t-2"]) {
    await createTenant(database, { id: tenant, name: tenant });
    await createFarm(database, { tenant, id: "f-1", name: "North" });
    await createBarn(database, { tenant, farm: "f-1", id: "b-1", name: "Barn 1" });
  }
  await createFarm(database, { tenant: "t-1", id: "f-2", name: "South" });
});

afterAll(async () => await database.close());

describe("master data", () => {
  it("S7.4 a duplicate name is refused, in its own place only, with a message that says what to do", async () => {
    const duplicate = createFarm(database, { tenant: "t-1", name: "North" });
    await expect(duplicate).rejects.toMatchObject({ code: "name-taken", details: { what: "farm" } });
    await expect(duplicate).rejects.toThrow("Choose another one");
    await expect(createBarn(database, { tenant: "t-1", farm: "f-1", name: "Barn 1" })).rejects.toMatchObject({
      code: "name-taken",
    });
    expect((await createBarn(database, { tenant: "t-1", farm: "f-2", name: "Barn 1" })).farm).toBe("f-2");
    await createStation(database, { tenant: "t-1", barn: "b-1", name: "Scale" });
    await expect(createStation(database, { tenant: "t-1", barn: "b-1", name: "Scale" })).rejects.toMatchObject({
      code: "name-taken",
    });
    const second = await createBarn(database, { tenant: "t-1", farm: "f-1", name: "Barn 2" });
    await expect(renameBarn(database, "t-1", second.id, "Barn 1")).rejects.toMatchObject({ code: "name-taken" });
  });

  it("S7.4 of two administrators who create one name at once, one is told", async () => {
    const both = await Promise.allSettled(
      ["a", "b"].map(async () => await createFarm(database, { tenant: "t-2", name: "Twin" })),
    );
    expect(both.map((result) => result.status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  it("S3.1 a child of another tenant's parent is refused as if the parent did not exist", async () => {
    await createFarm(database, { tenant: "t-2", id: "f-only-2", name: "Only" });
    for (const farm of ["f-only-2", "f-nowhere"]) {
      const barn = createBarn(database, { tenant: "t-1", farm, name: "X" });
      await expect(barn).rejects.toMatchObject({ code: "not-found", details: { what: "farm", id: farm } });
    }
    const bySql = database.query("insert into barns (tenant_id, id, farm_id, name) values ('t-1', $1, 'f-only-2', 'X')", [
      newId(),
    ]);
    await expect(bySql).rejects.toMatchObject({ details: { sqlstate: "23503" } });
  });

  it("S5.8 a device and its allowlist are one change, and disabling changes both", async () => {
    const device = await createDevice(database, {
      tenant: "t-1",
      id: "wv-001",
      deviceType: "weighvision",
      barn: "b-1",
      serialNo: "S1",
    });
    expect(device).toMatchObject({ farm: "f-1", barn: "b-1", status: "active", allowed: true });
    expect(await setDeviceEnabled(database, "t-1", "wv-001", false)).toMatchObject({ status: "inactive", allowed: false });
    expect(await setDeviceEnabled(database, "t-1", "wv-001", true)).toMatchObject({ status: "active", allowed: true });
    const { rows } = await database.query<{ tables: number }>(
      "select count(distinct table_name) as tables from hayloft.change where tenant_id = 't-1' and table_name in ('devices', 'device_allowlist') group by txn",
    );
    expect(rows).toEqual([{ tables: 2 }, { tables: 2 }, { tables: 2 }]);
    await expect(createDevice(database, { tenant: "t-1", deviceType: "weighvision", serialNo: "S1" })).rejects.toMatchObject({
      code: "name-taken",
    });
    await expect(createDevice(database, { tenant: "t-1", deviceType: "x", batch: "nope" })).rejects.toMatchObject({
      code: "not-found",
    });
    await expect(setDeviceEnabled(database, "t-2", "wv-001", false)).rejects.toMatchObject({ code: "not-found" });
    expect(await listDevices(database, "t-2")).toEqual([]);
  });

  it("S5.7 a batch only moves forward", async () => {
    const batch = await createBatch(database, {
      tenant: "t-1",
      barn: "b-1",
      species: "chicken",
      startDate: "2026-11-01",
      id: "ba-1",
    });
    expect(batch.status).toBe("active");
    expect(await closeBatch(database, { tenant: "t-1", id: "ba-1", endDate: "2026-12-01" })).toMatchObject({
      status: "completed",
      end_date: "2026-12-01",
    });
    const again = closeBatch(database, { tenant: "t-1", id: "ba-1", endDate: "2026-12-02", status: "cancelled" });
    await expect(again).rejects.toMatchObject({ code: "request-invalid", details: { status: "completed" } });
    expect(await listBatches(database, "t-1")).toHaveLength(1);
  });

  it.each([
    ["a day that does not exist", { startDate: "2026-02-30" }],
    ["no day", { startDate: "soon" }],
  ])("refuses a batch that starts on %s", async (_what, more) => {
    const wrong = createBatch(database, { tenant: "t-1", barn: "b-1", species: "duck", ...more });
    await expect(wrong).rejects.toMatchObject({ code: "request-invalid" });
  });

  it("refuses empty and overlong names and ids at the writer", async () => {
    await expect(createTenant(database, { name: "" })).rejects.toMatchObject({ code: "request-invalid" });
    await expect(createTenant(database, { id: "x".repeat(129), name: "x" })).rejects.toMatchObject({ code: "request-invalid" });
    await expect(createFarm(database, { tenant: "t-1", name: "n".repeat(201) })).rejects.toMatchObject({
      code: "request-invalid",
    });
    await expect(listBarns(database, "t-9")).rejects.toMatchObject({ code: "not-found" });
    expect((await listTenants(database)).map((tenant) => tenant.id)).toEqual(["t-1", "t-2"]);
  });

  it("S5.1 people reach the barns without email and password, whoever writes the account", async () => {
    const id = newId();
    const at = (status: string) => database.query("update users set status = $2 where id = $1", [id, status]);
    await database.query(
      "insert into users (tenant_id, id, email, password, display_name) values ('t-1', $1, 'ann@example.org', 'hash', 'Ann')",
      [id],
    );
    const person = async () => (await database.query("select display_name, status from farm_users where id = $1", [id])).rows;
    expect(await person()).toEqual([{ display_name: "Ann", status: "active" }]);
    await at("disabled");
    expect(await person()).toEqual([{ display_name: "Ann", status: "disabled" }]);
    await database.query("delete from users where id = $1", [id]);
    expect(await person()).toEqual([{ display_name: "Ann", status: "disabled" }]);
    const { rows } = await database.query<{ bodies: string }>(
      "select string_agg(table_name || columns || body, ' ') as bodies from hayloft.change where tenant_id = 't-1'",
    );
    expect(rows[0]?.bodies).toContain("Ann");
    expect(rows[0]?.bodies).not.toMatch(/ann@example|password|email/);
  });

  it("S5.6 a barn moves with what belongs to it, and keeps its name apart from the barns of its new farm", async () => {
    const mine = { tenant: "t-3", barn: "b-move" };
    await createTenant(database, { id: "t-3", name: "Mover" });
    await createFarm(database, { tenant: "t-3", id: "f-1", name: "North" });
    await createFarm(database, { tenant: "t-3", id: "f-new", name: "New" });
    await createBarn(database, { tenant: "t-3", farm: "f-1", id: "b-move", name: "Moving" });
    await createStation(database, { ...mine, name: "Scale", id: "st-move" });
    await createDevice(database, { ...mine, deviceType: "sensor", id: "dev-move" });
    expect(await moveBarn(database, "t-3", "b-move", "f-new")).toMatchObject({ farm: "f-new", name: "Moving" });
    for (const table of ["barns", "stations", "devices", "device_allowlist", "station_allowlist"]) {
      const { rows } = await database.query(
        `select farm_id from ${table} where tenant_id = 't-3' and ${table === "barns" ? "id" : "barn_id"} = 'b-move'`,
      );
      expect(rows, table).toEqual([{ farm_id: "f-new" }]);
    }
    await createBarn(database, { tenant: "t-3", farm: "f-1", name: "Moving" });
    await expect(moveBarn(database, "t-3", "b-move", "f-1")).rejects.toMatchObject({ code: "name-taken" });
    await expect(moveBarn(database, "t-3", "b-move", "f-nowhere")).rejects.toMatchObject({ code: "not-found" });
    await expect(moveBarn(database, "t-3", "b-nowhere", "f-new")).rejects.toMatchObject({ code: "not-found" });
  });
});
