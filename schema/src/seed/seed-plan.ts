/** How much to make. The defaults are one tenant with one farm of two barns. */
export interface SeedSize {
  readonly tenants?: number;
  readonly farmsPerTenant?: number;
  readonly barnsPerFarm?: number;
  readonly sensorDevicesPerBarn?: number;
  /** First day of every batch, `YYYY-MM-DD`. */
  readonly batchStart?: string;
}

export interface SeedBarn {
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly barn_id: string;
  readonly batch_id: string;
  readonly station_id: string;
  readonly sensor_device_ids: readonly string[];
  readonly weigh_device_id: string;
  readonly feeder_device_id: string;
  readonly name: string;
}

export interface SeedFarm {
  readonly tenant_id: string;
  readonly farm_id: string;
  readonly name: string;
  readonly barns: readonly SeedBarn[];
}

export interface SeedUser {
  readonly user_id: string;
  readonly role_id: string;
  readonly display_name: string;
  readonly email: string;
  readonly barn_ids: readonly string[];
}

export interface SeedTenant {
  readonly tenant_id: string;
  readonly name: string;
  readonly farms: readonly SeedFarm[];
  readonly users: readonly SeedUser[];
}

export interface SeedPlan {
  readonly batchStart: string;
  readonly tenants: readonly SeedTenant[];
}

/** A fixed id in the shape of a uuid v7, with the number readable at its end. */
export const seedId = (number: number): string => `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;

// First numbers by kind.
const base = {
  tenant: 0,
  farm: 100,
  barn: 1_100,
  batch: 10_100,
  sensorDevice: 100_000,
  weighDevice: 200_000,
  feederDevice: 250_000,
  station: 300_100,
  user: 500_000,
  role: 600_000,
} as const;

export const roleNames = ["platform_admin", "tenant_admin", "farm_manager", "house_operator", "viewer", "device_agent"] as const;

export type RoleName = (typeof roleNames)[number];

/** The fixed id of a role in the shared tenant. */
export const roleId = (name: RoleName): string => seedId(base.role + roleNames.indexOf(name) + 1);

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

function planBarn(
  farm: { readonly tenant_id: string; readonly farm_id: string },
  number: number,
  name: string,
  sensors: number,
): SeedBarn {
  return {
    ...farm,
    barn_id: seedId(base.barn + number),
    batch_id: seedId(base.batch + number),
    station_id: seedId(base.station + number),
    sensor_device_ids: numbers(sensors).map((index) => seedId(base.sensorDevice + (number - 1) * sensors + index)),
    weigh_device_id: seedId(base.weighDevice + number),
    feeder_device_id: seedId(base.feederDevice + number),
    name,
  };
}

function planUsers(tenant: number, barns: readonly SeedBarn[]): readonly SeedUser[] {
  const staff = [
    ["tenant_admin", "Ada Admin"],
    ["farm_manager", "Mali Manager"],
    ["house_operator", "Wanchai Worker"],
    ["viewer", "Vera Viewer"],
  ] as const;
  return staff.map(([role, display_name], index) => ({
    user_id: seedId(base.user + tenant * 100 + index + 1),
    role_id: roleId(role),
    display_name,
    email: `${role.replaceAll("_", "-")}@tenant-${tenant}.example`,
    barn_ids: role === "farm_manager" || role === "house_operator" ? barns.map((barn) => barn.barn_id) : [],
  }));
}

/** What `seedFarm` stores, by number: the same sizes give the same ids everywhere. */
export function seedPlan(size: SeedSize = {}): SeedPlan {
  const { tenants = 1, farmsPerTenant = 1, barnsPerFarm = 2, sensorDevicesPerBarn = 3 } = size;
  const planned = numbers(tenants).map((tenant) => {
    const tenant_id = seedId(base.tenant + tenant);
    const farms = numbers(farmsPerTenant).map((farm): SeedFarm => {
      const farmNumber = (tenant - 1) * farmsPerTenant + farm;
      const place = { tenant_id, farm_id: seedId(base.farm + farmNumber) };
      const barns = numbers(barnsPerFarm).map((barn) =>
        planBarn(place, (farmNumber - 1) * barnsPerFarm + barn, `Barn ${barn}`, sensorDevicesPerBarn),
      );
      return { ...place, name: `Farm ${farm}`, barns };
    });
    const users = planUsers(
      tenant,
      farms.flatMap((farm) => farm.barns),
    );
    return { tenant_id, name: `Tenant ${tenant}`, farms, users };
  });
  return { batchStart: size.batchStart ?? "2026-01-01", tenants: planned };
}
