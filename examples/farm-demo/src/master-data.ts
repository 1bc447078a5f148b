import type { Database } from "@hayloft/engine";
import type { FarmPlan } from "@hayloft/device-simulator";

/** Enters a farm at the hub by plain SQL, as an administrator with psql would: the engine captures it and sends it down. */
export const enterFarm = async (hub: Database, plan: FarmPlan): Promise<void> => {
  const { tenant, farm } = plan;
  await hub.transaction(async (tx) => {
    await tx.query("insert into tenants (tenant_id, id, name) values ($1, $1, 'Demo poultry')", [tenant]);
    await tx.query("insert into farms (tenant_id, id, name) values ($1, $2, 'North farm')", [tenant, farm]);
    for (const barn of plan.barns) {
      await tx.query("insert into barns (tenant_id, farm_id, id, name, animal_type) values ($1, $2, $3, $3, 'broiler')", [
        tenant,
        farm,
        barn.barn,
      ]);
      if (barn.batch !== null) {
        await tx.query(
          "insert into batches (tenant_id, farm_id, barn_id, id, species, start_date) values ($1, $2, $3, $4, 'chicken', current_date - 30)",
          [tenant, farm, barn.barn, barn.batch],
        );
      }
      for (const { station } of barn.stations) {
        await tx.query(
          "insert into stations (tenant_id, farm_id, barn_id, id, name, station_type) values ($1, $2, $3, $4, $4, 'weighing')",
          [tenant, farm, barn.barn, station],
        );
        await tx.query("insert into station_allowlist (tenant_id, station_id, farm_id, barn_id) values ($1, $2, $3, $4)", [
          tenant,
          station,
          farm,
          barn.barn,
        ]);
      }
      for (const [device, type] of devicesOf(barn)) {
        await tx.query("insert into devices (tenant_id, farm_id, barn_id, id, device_type) values ($1, $2, $3, $4, $5)", [
          tenant,
          farm,
          barn.barn,
          device,
          type,
        ]);
        await tx.query("insert into device_allowlist (tenant_id, device_id, farm_id, barn_id) values ($1, $2, $3, $4)", [
          tenant,
          device,
          farm,
          barn.barn,
        ]);
      }
    }
  });
};

const devicesOf = (barn: FarmPlan["barns"][number]): readonly (readonly [string, string])[] => [
  ...barn.gateways.map((device) => [device, "sensor-gateway"] as const),
  ...barn.stations.map(({ device }) => [device, "weighvision"] as const),
  ...(barn.siloScale === null ? [] : [[barn.siloScale, "silo-scale"] as const]),
  ...(barn.dispenser === null ? [] : [[barn.dispenser, "dispenser"] as const]),
];
