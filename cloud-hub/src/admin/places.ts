import type { Database } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { administer, oneRow } from "./admin-error.ts";
import { requireTenant } from "./tenants.ts";

export interface Farm {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly status: string;
}

export interface Barn extends Farm {
  readonly farm: string;
  readonly animal_type: string | null;
}

export interface Station extends Farm {
  readonly farm: string;
  readonly barn: string;
  readonly station_type: string | null;
}

const FARM = "tenant_id as tenant, id, name, status";
const BARN = "tenant_id as tenant, farm_id as farm, id, name, animal_type, status";
const STATION = "tenant_id as tenant, farm_id as farm, barn_id as barn, id, name, station_type, status";

/** Creates a farm. Throws `name-taken` when the tenant has a farm of that name or id, `not-found` for an unknown tenant. */
export async function createFarm(
  database: Database,
  farm: { readonly tenant: string; readonly name: string; readonly id?: string; readonly location?: string },
): Promise<Farm> {
  return await administer("farm", async () => {
    await requireTenant(database, farm.tenant);
    const id = farm.id ?? newId();
    const { rows } = await database.query<Farm>(
      `insert into farms (tenant_id, id, name, location) values ($1, $2, $3, $4) returning ${FARM}`,
      [farm.tenant, id, farm.name, farm.location ?? null],
    );
    return oneRow(rows, "farm", id);
  });
}

export async function listFarms(database: Database, tenant: string): Promise<readonly Farm[]> {
  await requireTenant(database, tenant);
  return (await database.query<Farm>(`select ${FARM} from farms where tenant_id = $1 order by id`, [tenant])).rows;
}

/** Creates a barn. Throws `name-taken` when the farm has a barn of that name, `not-found` for an unknown farm. */
export async function createBarn(
  database: Database,
  barn: {
    readonly tenant: string;
    readonly farm: string;
    readonly name: string;
    readonly id?: string;
    readonly animalType?: string;
    readonly capacity?: number;
  },
): Promise<Barn> {
  return await administer("barn", async () => {
    await requireFarm(database, barn.tenant, barn.farm);
    const id = barn.id ?? newId();
    const { rows } = await database.query<Barn>(
      `insert into barns (tenant_id, farm_id, id, name, animal_type, capacity) values ($1, $2, $3, $4, $5, $6) returning ${BARN}`,
      [barn.tenant, barn.farm, id, barn.name, barn.animalType ?? null, barn.capacity ?? null],
    );
    return oneRow(rows, "barn", id);
  });
}

export async function listBarns(database: Database, tenant: string): Promise<readonly Barn[]> {
  await requireTenant(database, tenant);
  return (await database.query<Barn>(`select ${BARN} from barns where tenant_id = $1 order by farm_id, id`, [tenant])).rows;
}

/** Throws `not-found`, or `name-taken` when the farm has another barn of that name. */
export async function renameBarn(database: Database, tenant: string, id: string, name: string): Promise<Barn> {
  return await administer("barn", async () => {
    const { rows } = await database.query<Barn>(
      `update barns set name = $3, updated_at = now() where tenant_id = $1 and id = $2 returning ${BARN}`,
      [tenant, id, name],
    );
    return oneRow(rows, "barn", id);
  });
}

/** Creates a station and lets it speak: the station allowlist is written in the same transaction. */
export async function createStation(
  database: Database,
  station: {
    readonly tenant: string;
    readonly barn: string;
    readonly name: string;
    readonly id?: string;
    readonly stationType?: string;
  },
): Promise<Station> {
  return await administer("station", async () => {
    const farm = await farmOfBarn(database, station.tenant, station.barn);
    const id = station.id ?? newId();
    return await database.transaction(async (tx) => {
      const { rows } = await tx.query<Station>(
        `insert into stations (tenant_id, farm_id, barn_id, id, name, station_type) values ($1, $2, $3, $4, $5, $6) returning ${STATION}`,
        [station.tenant, farm, station.barn, id, station.name, station.stationType ?? "weighing"],
      );
      await tx.query(
        `insert into station_allowlist (tenant_id, station_id, farm_id, barn_id) values ($1, $2, $3, $4)
         on conflict (tenant_id, station_id) do update set farm_id = excluded.farm_id, barn_id = excluded.barn_id, enabled = true, updated_at = now()`,
        [station.tenant, id, farm, station.barn],
      );
      return oneRow(rows, "station", id);
    });
  });
}

export async function listStations(database: Database, tenant: string): Promise<readonly Station[]> {
  await requireTenant(database, tenant);
  return (
    await database.query<Station>(`select ${STATION} from stations where tenant_id = $1 order by farm_id, barn_id, id`, [tenant])
  ).rows;
}

/** Throws `not-found` when the tenant has no such farm. */
export async function requireFarm(database: Database, tenant: string, farm: string): Promise<void> {
  await requireTenant(database, tenant);
  oneRow((await database.query("select 1 from farms where tenant_id = $1 and id = $2", [tenant, farm])).rows, "farm", farm);
}

/** The farm of a barn. Throws `not-found` when the tenant has no such barn. */
export async function farmOfBarn(database: Database, tenant: string, barn: string): Promise<string> {
  await requireTenant(database, tenant);
  const { rows } = await database.query<{ farm_id: string }>("select farm_id from barns where tenant_id = $1 and id = $2", [
    tenant,
    barn,
  ]);
  return oneRow(rows, "barn", barn).farm_id;
}
