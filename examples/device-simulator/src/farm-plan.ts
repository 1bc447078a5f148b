/** One barn and who speaks in it. All ids are those of the registry. */
export interface BarnPlan {
  readonly barn: string;
  readonly batch: string | null;
  readonly gateways: readonly string[];
  readonly stations: readonly { readonly station: string; readonly device: string }[];
  readonly siloScale: string | null;
  readonly dispenser: string | null;
}

/** The devices of one farm. */
export interface FarmPlan {
  readonly tenant: string;
  readonly farm: string;
  readonly barns: readonly BarnPlan[];
}

/** A farm of `barns` barns with ids that follow from the farm's: what demo and tests register and then simulate. */
export const planFarm = (tenant: string, farm: string, barns: number, gatewaysPerBarn = 3): FarmPlan => ({
  tenant,
  farm,
  barns: Array.from({ length: barns }, (_, index) => {
    const barn = `${farm}-barn-${index + 1}`;
    return {
      barn,
      batch: `${barn}-batch-1`,
      gateways: Array.from({ length: gatewaysPerBarn }, (_unused, gateway) => `${barn}-gateway-${gateway + 1}`),
      stations: [{ station: `${barn}-station-1`, device: `${barn}-scale-1` }],
      siloScale: `${barn}-silo-1`,
      dispenser: `${barn}-dispenser-1`,
    };
  }),
});
