import { sampleMemory } from "./sample-memory.ts";
import { exchange, pullDown, TestReplica } from "./test-replica.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

/** A hub, an edge under it and a tablet under that, for the tests of rules with memory. */
export interface MemoryFarm {
  readonly cloud: TestReplica;
  readonly edge: TestReplica;
  readonly tablet: TestReplica;
  /** A replica more, with an empty database. */
  readonly another: (tier: string) => Promise<TestReplica>;
  /** Until everybody has everything. */
  readonly settle: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function openMemoryFarm(open: OpenDatabase): Promise<MemoryFarm> {
  const catalog = sampleMemory;
  const cloud = await TestReplica.open(open, "cloud", { catalog });
  const edge = await TestReplica.open(open, "edge", { catalog });
  const tablet = await TestReplica.open(open, "tablet", { catalog });
  const others: TestReplica[] = [];
  const another = async (tier: string): Promise<TestReplica> => {
    const replica = await TestReplica.open(open, tier, { catalog });
    others.push(replica);
    return replica;
  };
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 2; round += 1) {
      await exchange(tablet, edge);
      await exchange(edge, cloud);
      await pullDown(tablet, edge);
    }
  };
  const close = async (): Promise<void> => {
    await Promise.all([cloud, edge, tablet, ...others].map(async (replica) => await replica.close()));
  };
  return { cloud, edge, tablet, another, settle, close };
}
