import type { Database } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { administer, oneRow } from "./admin-error.ts";
import { farmOfBarn, requireFarm } from "./places.ts";
import { requireTenant } from "./tenants.ts";

export interface Device {
  readonly tenant: string;
  readonly id: string;
  readonly device_type: string;
  readonly farm: string | null;
  readonly barn: string | null;
  readonly serial_no: string | null;
  readonly status: string;
  /** Whether the edge's ingress lets it speak. */
  readonly allowed: boolean;
}

const SELECT = `
  select d.tenant_id as tenant, d.id, d.device_type, d.farm_id as farm, d.barn_id as barn, d.serial_no, d.status,
    coalesce(a.enabled, false) as allowed
  from devices d left join device_allowlist a on a.tenant_id = d.tenant_id and a.device_id = d.id`;

/**
 * Registers a device and lets it speak: the device allowlist is written in the same transaction, so that the edge accepts it
 * after one sync. Throws `name-taken` for a used id or serial number, `not-found` for an unknown farm, barn or batch.
 */
export async function createDevice(
  database: Database,
  device: {
    readonly tenant: string;
    readonly deviceType: string;
    readonly id?: string;
    readonly farm?: string;
    readonly barn?: string;
    readonly batch?: string;
    readonly serialNo?: string;
  },
): Promise<Device> {
  return await administer("device", async () => {
    const farm = await farmOfDevice(database, device);
    const id = device.id ?? newId();
    await database.transaction(async (tx) => {
      await tx.query(
        `insert into devices (tenant_id, id, device_type, farm_id, barn_id, batch_id, serial_no, lifecycle_state)
         values ($1, $2, $3, $4, $5, $6, $7, 'ACTIVE')`,
        [device.tenant, id, device.deviceType, farm, device.barn ?? null, device.batch ?? null, device.serialNo ?? null],
      );
      await tx.query(
        `insert into device_allowlist (tenant_id, device_id, farm_id, barn_id) values ($1, $2, $3, $4)
         on conflict (tenant_id, device_id) do update set farm_id = excluded.farm_id, barn_id = excluded.barn_id, enabled = true, updated_at = now()`,
        [device.tenant, id, farm, device.barn ?? null],
      );
    });
    return await getDevice(database, device.tenant, id);
  });
}

/** Lets a device speak, or not: registry and allowlist change together. Throws `not-found`. */
export async function setDeviceEnabled(database: Database, tenant: string, id: string, enabled: boolean): Promise<Device> {
  await database.transaction(async (tx) => {
    const { rows } = await tx.query<{ farm_id: string | null; barn_id: string | null }>(
      "update devices set status = $3, updated_at = now() where tenant_id = $1 and id = $2 returning farm_id, barn_id",
      [tenant, id, enabled ? "active" : "inactive"],
    );
    const place = oneRow(rows, "device", id);
    await tx.query(
      `insert into device_allowlist (tenant_id, device_id, farm_id, barn_id, enabled) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, device_id) do update set enabled = excluded.enabled, updated_at = now()`,
      [tenant, id, place.farm_id, place.barn_id, enabled],
    );
  });
  return await getDevice(database, tenant, id);
}

export async function listDevices(database: Database, tenant: string): Promise<readonly Device[]> {
  await requireTenant(database, tenant);
  return (await database.query<Device>(`${SELECT} where d.tenant_id = $1 order by d.id`, [tenant])).rows;
}

async function getDevice(database: Database, tenant: string, id: string): Promise<Device> {
  return oneRow(
    (await database.query<Device>(`${SELECT} where d.tenant_id = $1 and d.id = $2`, [tenant, id])).rows,
    "device",
    id,
  );
}

async function farmOfDevice(
  database: Database,
  device: { readonly tenant: string; readonly farm?: string; readonly barn?: string },
): Promise<string | null> {
  await requireTenant(database, device.tenant);
  if (device.barn !== undefined) return await farmOfBarn(database, device.tenant, device.barn);
  if (device.farm !== undefined) await requireFarm(database, device.tenant, device.farm);
  return device.farm ?? null;
}
