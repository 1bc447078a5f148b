import { createBarn, createBatch, createDevice, createFarm, createStation, createTenant } from "@hayloft/cloud-hub";
import type { FarmPlan } from "@hayloft/device-simulator";
import type { Database } from "@hayloft/engine";

const BATCH_START = "2020-01-01";

/** Enters a tenant with one farm at the hub, with the hub's own admin functions. The same plan twice is refused. */
export async function enterFarm(hub: Database, plan: FarmPlan): Promise<void> {
  const { tenant, farm } = plan;
  await createTenant(hub, { id: tenant, name: `Tenant ${tenant}` });
  await createFarm(hub, { tenant, id: farm, name: `Farm ${farm}`, location: `Lane of ${farm}` });
  for (const { barn, batch, gateways, stations, siloScale, dispenser } of plan.barns) {
    await createBarn(hub, { tenant, farm, id: barn, name: `Barn ${barn}`, animalType: "broiler" });
    if (batch !== null) await createBatch(hub, { tenant, barn, id: batch, species: "chicken", startDate: BATCH_START });
    const device = async (id: string, deviceType: string): Promise<void> => {
      await createDevice(hub, { tenant, id, deviceType, barn });
    };
    for (const id of gateways) await device(id, "sensor-gateway");
    for (const { station, device: scale } of stations) {
      await createStation(hub, { tenant, barn, id: station, name: `Scale ${station}` });
      await device(scale, "weighvision");
    }
    if (siloScale !== null) await device(siloScale, "silo-scale");
    if (dispenser !== null) await device(dispenser, "dispenser");
  }
}
