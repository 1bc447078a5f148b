import type { Database, SqlSession } from "@hayloft/engine";
import { kyselyOf } from "@hayloft/engine";
import type { Insertable } from "kysely";
import type { FarmRows } from "../farm-catalog.ts";
import { sharedTenant } from "../tiers.ts";
import type { SeedBarn, SeedPlan, SeedSize, SeedTenant } from "./seed-plan.ts";
import { roleId, roleNames, seedId, seedPlan } from "./seed-plan.ts";

export interface SeedOptions extends SeedSize {
  /**
   * False stores the rows as if the hub had sent them: also on a tier that may not write them, and without changes in the
   * log. Default true, for the hub.
   */
  readonly captured?: boolean;
}

/** Stores rows that do not exist yet; those that do stay as they are. */
async function put<Name extends keyof FarmRows>(tx: SqlSession, table: Name, rows: readonly Insertable<FarmRows[Name]>[]) {
  if (rows.length === 0) return;
  await kyselyOf<FarmRows>(tx)
    .insertInto(table)
    .values([...rows])
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

const devicesOf = (barn: SeedBarn) => [
  ...barn.sensor_device_ids.map((id) => ({ id, device_type: "sensor-gateway" })),
  { id: barn.weigh_device_id, device_type: "weighvision" },
  { id: barn.feeder_device_id, device_type: "feed-dispenser" },
];

const metrics = [
  { metric: "temperature", unit: "C" },
  { metric: "humidity", unit: "%" },
  { metric: "ammonia", unit: "ppm" },
] as const;

async function putBarns(tx: SqlSession, barns: readonly SeedBarn[], batchStart: string): Promise<void> {
  const place = (barn: SeedBarn) => ({ tenant_id: barn.tenant_id, farm_id: barn.farm_id, barn_id: barn.barn_id });
  await put(
    tx,
    "barns",
    barns.map(({ tenant_id, farm_id, barn_id, name }) => ({
      tenant_id,
      farm_id,
      id: barn_id,
      name,
      animal_type: "broiler",
      capacity: 20_000,
    })),
  );
  await put(
    tx,
    "batches",
    barns.map((barn) => ({ ...place(barn), id: barn.batch_id, species: "chicken", start_date: batchStart })),
  );
  await put(
    tx,
    "stations",
    barns.map((barn) => ({ ...place(barn), id: barn.station_id, name: "Scale", station_type: "weighing" })),
  );
  await put(
    tx,
    "station_allowlist",
    barns.map((barn) => ({ ...place(barn), station_id: barn.station_id })),
  );
  const devices = barns.flatMap((barn) => devicesOf(barn).map((device) => ({ ...place(barn), ...device })));
  await put(
    tx,
    "devices",
    devices.map((device) => ({ ...device, serial_no: `SN-${device.id.slice(-6)}`, lifecycle_state: "ACTIVE" })),
  );
  await put(
    tx,
    "device_allowlist",
    devices.map(({ id, tenant_id, farm_id, barn_id }) => ({ tenant_id, farm_id, barn_id, device_id: id })),
  );
}

async function putSensors(tx: SqlSession, barns: readonly SeedBarn[]): Promise<void> {
  const sensors = barns.flatMap((barn) =>
    barn.sensor_device_ids.flatMap((device_id) =>
      metrics.map(({ metric, unit }) => ({ barn, device_id, metric, unit, id: `${metric}-${device_id.slice(-6)}` })),
    ),
  );
  await put(
    tx,
    "sensors",
    sensors.map(({ barn, metric, unit, id }) => ({
      tenant_id: barn.tenant_id,
      farm_id: barn.farm_id,
      barn_id: barn.barn_id,
      id,
      sensor_id: id,
      type: metric,
      unit,
    })),
  );
}

async function putThresholds(tx: SqlSession, tenant: SeedTenant, tenantNumber: number): Promise<void> {
  const rules = [
    { metric: "temperature", op: "gt", value: "32.0000", severity: "warning" },
    { metric: "temperature", op: "lt", value: "18.0000", severity: "warning" },
    { metric: "ammonia", op: "gt", value: "25.0000", severity: "critical" },
  ] as const;
  await put(
    tx,
    "config_threshold_rules",
    rules.map((rule, index) => ({
      ...rule,
      tenant_id: tenant.tenant_id,
      id: seedId(700_000 + tenantNumber * 100 + index),
      duration_s: 300,
    })),
  );
}

async function putUsers(tx: SqlSession, tenant: SeedTenant): Promise<void> {
  const { tenant_id, users } = tenant;
  const accounts = users.map(({ user_id, display_name, email }) => ({ tenant_id, id: user_id, display_name, email }));
  await put(tx, "users", accounts);
  await put(
    tx,
    "farm_users",
    users.map((user) => ({
      tenant_id,
      id: user.user_id,
      display_name: user.display_name,
      barn_ids: JSON.stringify(user.barn_ids),
    })),
  );
  await put(
    tx,
    "user_roles",
    users.map(({ user_id, role_id }) => ({ tenant_id, user_id, role_id })),
  );
}

async function putTenant(tx: SqlSession, tenant: SeedTenant, number: number, plan: SeedPlan): Promise<void> {
  const { tenant_id } = tenant;
  await put(tx, "tenants", [{ tenant_id, id: tenant_id, name: tenant.name }]);
  await put(
    tx,
    "farms",
    tenant.farms.map((farm) => ({ tenant_id, id: farm.farm_id, name: farm.name })),
  );
  const barns = tenant.farms.flatMap((farm) => farm.barns);
  await putBarns(tx, barns, plan.batchStart);
  await putSensors(tx, barns);
  await putThresholds(tx, tenant, number);
  await putUsers(tx, tenant);
}

/** Stores the fixed roles in the shared tenant. Repeatable. */
export async function seedRoles(tx: SqlSession): Promise<void> {
  await put(
    tx,
    "roles",
    roleNames.map((name) => ({ tenant_id: sharedTenant, id: roleId(name), name })),
  );
}

/**
 * Stores tenants, farms, barns, batches, devices, stations, allowlists, sensors, thresholds, roles and people with fixed
 * ids, one transaction a tenant. A second run changes nothing. Returns what was planned.
 */
export async function seedFarm(database: Database, options: SeedOptions = {}): Promise<SeedPlan> {
  const plan = seedPlan(options);
  const begin = async (tx: SqlSession): Promise<void> => {
    if (options.captured === false) await tx.query("select set_config('hayloft.applying', 'on', true)");
  };
  await database.transaction(async (tx) => {
    await begin(tx);
    await seedRoles(tx);
  });
  for (const [index, tenant] of plan.tenants.entries()) {
    await database.transaction(async (tx) => {
      await begin(tx);
      await putTenant(tx, tenant, index + 1, plan);
    });
  }
  return plan;
}
