import { Random } from "../simulator/random.ts";
import { checkSchedule } from "./check-schedule.ts";
import { Ledger } from "./ledger.ts";
import { People } from "./people.ts";
import type { ThreeTiers, Tier } from "./three-tiers.ts";

/** How often a schedule restarts a replica, which takes as long as many acts. */
const RESTARTS = 0.04;

export interface ScheduleCounts {
  readonly transactions: number;
  readonly partitions: number;
  readonly restarts: number;
}

/**
 * One schedule: people write on the three tiers while the wires between these are cut and mended, and at the end, when everything
 * has arrived, all three hold what has to follow. The seed fixes who does what and when the wires are cut; what is on its way
 * meanwhile, the machine decides. Throws with the seed and an explanation of the row.
 */
export async function runSchedule(tiers: ThreeTiers, seed: number): Promise<ScheduleCounts> {
  const random = new Random(seed);
  const ledger = new Ledger();
  const run = `s${String(seed)}`;
  const people = new People(run, random.fork(), ledger);
  const counts = { transactions: 0, partitions: 0, restarts: 0 };
  try {
    const steps = random.between(6, 16);
    for (let step = 0; step < steps; step += 1) {
      counts.partitions += changeWires(tiers, random);
      if (random.chance(0.06)) await tiers.settle();
      if (random.chance(RESTARTS)) {
        await tiers.restart(random.pick<Tier>([tiers.edge, tiers.tablet]));
        counts.restarts += 1;
      }
      await people.act(random.pick(tiers.all));
      counts.transactions += 1;
    }
    await tiers.settle();
    await checkSchedule(tiers, run, ledger);
  } catch (error) {
    throw new Error(`schedule of seed ${String(seed)}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return counts;
}

/** Cuts or mends a wire now and then; returns how many were cut. */
function changeWires({ edge, tablet }: ThreeTiers, random: Random): number {
  let cut = 0;
  for (const { wire } of [edge, tablet]) {
    if (wire === null || !random.chance(0.3)) continue;
    if (random.chance(0.6)) {
      wire.hold();
      cut += 1;
    } else wire.open();
  }
  return cut;
}
