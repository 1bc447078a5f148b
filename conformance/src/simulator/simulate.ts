import type { Dial, NodeRegistry } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import { AlwaysChecker, checkFinally, unrest } from "./checkers.ts";
import { drawDiskFaults, drawFaults, noFaults } from "./faults.ts";
import type { DiskFaults, Faults } from "./faults.ts";
import { finalCommit } from "./final-commit.ts";
import { FaultyWire } from "./faulty-wire.ts";
import type { FaultCounts } from "./faulty-wire.ts";
import { Random } from "./random.ts";
import { SimKeys } from "./sim-identity.ts";
import { SimNode, soundStorage } from "./sim-node.ts";
import type { SimStore } from "./sim-store.ts";
import type { MakeStorage, NodeSpec, NodeWorld } from "./sim-node.ts";
import { Violation } from "./violation.ts";
import { VirtualTime } from "./virtual-time.ts";
import { Workload } from "./workload.ts";

/** One hub, three edges of two tenants, and four tablets, one of which dials the hub itself. */
const specs: readonly NodeSpec[] = [
  { name: "hub", tier: "cloud", tenant: null, parent: null },
  { name: "edge1", tier: "edge", tenant: "t1", parent: "hub" },
  { name: "edge2", tier: "edge", tenant: "t1", parent: "hub" },
  { name: "edge3", tier: "edge", tenant: "t2", parent: "hub" },
  { name: "tablet1", tier: "tablet", tenant: "t1", parent: "edge1" },
  { name: "tablet2", tier: "tablet", tenant: "t1", parent: "edge1" },
  { name: "tablet3", tier: "tablet", tenant: "t1", parent: "hub" },
  { name: "tablet4", tier: "tablet", tenant: "t2", parent: "edge3" },
];

export interface SimulationOptions {
  readonly seed: number;
  /** Virtual time with faults and writing; default 40,000. */
  readonly chaosMs?: number;
  /** Virtual time within which all must be quiet after the last fault; default 15 minutes. */
  readonly healMs?: number;
  /** What happens to disks; default drawn from the seed. */
  readonly disks?: DiskFaults;
  readonly makeStorage?: MakeStorage;
  readonly falseTop?: boolean;
  /** Gets a line for everything that the nodes log. */
  readonly onLine?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number;
  /** Null when every promise held. */
  readonly violation: Violation | null;
  /** Of everything that was delivered, when and to whom: equal for equal seeds. */
  readonly hash: string;
  readonly commits: number;
  readonly messages: number;
  readonly bytes: number;
  readonly steps: number;
  /** Virtual time from the last fault until everybody had everything. */
  readonly healMs: number;
  readonly counts: FaultCounts;
  readonly faults: Faults;
}

const never = new Promise<never>(() => undefined);
const healBudgetMs = 15 * 60_000;

/** Runs one seed: chaos, then calm, then the checks. Never throws for a broken promise: see `violation`. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const run = new Run(options);
  return await run.run();
}

class Run {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #time = new VirtualTime();
  readonly #nodes: SimNode[];
  readonly #checker: AlwaysChecker;
  readonly #workload: Workload;
  readonly #drawn: Faults;
  #faults: Faults;
  readonly #counts: FaultCounts = {
    cuts: 0,
    halfOpen: 0,
    duplicates: 0,
    reorders: 0,
    crashes: 0,
    partitions: 0,
    restores: 0,
    clones: 0,
  };
  readonly #partitioned = new Set<string>();
  readonly #world_: NodeWorld;
  #hash = 0xcbf2_9ce4n;
  #messages = 0;
  #bytes = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#drawn = drawFaults(this.#random);
    this.#faults = this.#drawn;
    this.#checker = new AlwaysChecker(() => this.#nodes);
    const world = this.#world();
    this.#world_ = world;
    this.#nodes = specs.map((spec) => new SimNode(spec, world));
    this.#workload = new Workload(this.#random.fork(), ["t1", "t2"]);
  }

  async run(): Promise<SimulationResult> {
    const { chaosMs = 40_000, healMs = healBudgetMs } = this.#options;
    this.#begin();
    await this.#runTo(chaosMs);
    this.#heal();
    let quiet = false;
    while (!quiet && this.#checker.violation === null && this.#time.nowMs < chaosMs + healMs) {
      await this.#runTo(this.#time.nowMs + 2_000);
      quiet = unrest(this.#nodes).length === 0;
    }
    const violation =
      this.#checker.violation ??
      (quiet
        ? this.#final()
        : new Violation("O14", `not quiet ${String(healMs)} ms after the last fault: ${unrest(this.#nodes).join("; ")}`));
    const { seed } = this.#options;
    return {
      seed,
      violation,
      hash: this.#hash.toString(16),
      commits: this.#workload.written.length,
      messages: this.#messages,
      bytes: this.#bytes,
      steps: this.#time.steps,
      healMs: this.#time.nowMs - chaosMs,
      counts: this.#counts,
      faults: this.#drawn,
    };
  }

  #final(): Violation | null {
    try {
      const { store } = this.#nodeNamed("hub");
      const mayBeGone = new Set(
        this.#workload.written.filter((item) => item.mayBeGone === true && !store.holds(finalCommit(item))),
      );
      checkFinally(
        this.#nodes,
        this.#workload.written.filter((item) => !mayBeGone.has(item)),
        [...mayBeGone],
      );
      return null;
    } catch (error) {
      if (error instanceof Violation) return error;
      throw error;
    }
  }

  /** Runs on, but no further than the first violation. */
  async #runTo(untilMs: number): Promise<void> {
    while (this.#time.nowMs < untilMs && this.#checker.violation === null) {
      await this.#time.run(Math.min(untilMs, this.#time.nowMs + 1_000));
    }
  }

  #begin(): void {
    const random = this.#random.fork();
    for (const node of this.#nodes) {
      node.skewMs = random.between(-this.#drawn.skewMsMax, this.#drawn.skewMsMax);
      // Some nodes come later, when there is something to catch up with.
      const late = Math.floor((this.#options.chaosMs ?? 40_000) / 2);
      this.#time.after(random.chance(0.3) ? random.between(0, late) : 0, () => this.#startFirst(node, random));
    }
    this.#damageDisks(new Random(this.#options.seed + 0x0d15d));
    const tablet = this.#nodes.at(-1);
    if (this.#drawn.clockAhead && tablet !== undefined) tablet.skewMs = 10 * 60_000;
  }

  #startFirst(node: SimNode, random: Random): void {
    node.start();
    this.#repeat(
      () => random.between(20, 1_500),
      () => {
        if (node.up) this.#workload.write(node, this.#faults);
      },
    );
    if (Number.isFinite(this.#drawn.crashEveryMs)) {
      this.#repeat(
        () => random.between(100, 2 * this.#drawn.crashEveryMs),
        () => this.#crash(node, random),
      );
    }
    if (Number.isFinite(this.#drawn.partitionEveryMs) && node.spec.parent !== null) {
      this.#repeat(
        () => random.between(100, 2 * this.#drawn.partitionEveryMs),
        () => this.#partition(node, random),
      );
    }
  }

  /** An image that is put back later, and a copy that runs beside its original. */
  #damageDisks(random: Random): void {
    const { restores, clones } = this.#options.disks ?? drawDiskFaults(this.#options.seed);
    const below = this.#nodes.filter(({ spec }) => spec.parent !== null);
    const leaves = below.filter(({ spec }) => this.#childrenOf(spec.name).length === 0);
    const chaosMs = this.#options.chaosMs ?? 40_000;
    const early = (): number => random.between(1_000, Math.floor(chaosMs / 2));
    if (restores) {
      const node = random.pick(below);
      const atMs = early();
      this.#time.after(atMs, () => {
        const image = node.store.image();
        this.#time.after(random.between(500, Math.floor(chaosMs / 3)), () => this.#putBack(node, image));
      });
    }
    if (clones) {
      // What two copies of a disk with a wrong clock have both not sent, each stamps otherwise (decision 0035).
      const node = random.pick(leaves.filter((leaf) => !this.#drawn.clockAhead || leaf !== this.#nodes.at(-1)));
      this.#time.after(early(), () => this.#copyDisk(node, random));
    }
  }

  /** What only this disk held is lost with it, and nobody promises otherwise. */
  #putBack(node: SimNode, image: SimStore): void {
    if (this.#faults === noFaults || !this.#isProvable(node, image)) return;
    this.#counts.restores += 1;
    node.crash();
    const parent = this.#nodeNamed(node.spec.parent ?? "");
    this.#workload.lose(node, image, (commit) => !parent.store.holds(commit));
    node.restore(image);
    this.#checker.forget(node);
    node.start();
  }

  /**
   * Whether every child can prove what is lost with the disk. What it got from the parent beyond its cursor (in answers to its own
   * commits, or in pages of a snapshot that is not complete) it cannot prove; comparing digests finds that, which is not played here.
   */
  #isProvable(node: SimNode, image: SimStore): boolean {
    const tenant = node.spec.tenant ?? "";
    return this.#childrenOf(node.spec.name).every(({ store }) => {
      const { received } = store.peer(node.identity.nodeId, tenant);
      return store.rows.size === 0 || (received !== null && received.position > image.log(tenant).position);
    });
  }

  #childrenOf(name: string): readonly SimNode[] {
    return this.#nodes.filter(({ spec }) => spec.parent === name);
  }

  #copyDisk(node: SimNode, random: Random): void {
    if (this.#faults === noFaults) return;
    this.#counts.clones += 1;
    const twin = new SimNode({ ...node.spec, name: `${node.spec.name}-copy` }, this.#world_, node);
    this.#nodes.push(twin);
    this.#startFirst(twin, random.fork());
  }

  /** Until the chaos is over. */
  #repeat(pauseMs: () => number, run: () => void): void {
    this.#time.after(pauseMs(), () => {
      if (this.#faults === noFaults) return;
      run();
      this.#repeat(pauseMs, run);
    });
  }

  #crash(node: SimNode, random: Random): void {
    if (!node.up) return;
    this.#counts.crashes += 1;
    node.crash();
    this.#time.after(random.between(1, this.#drawn.downMsMax), () => {
      if (!node.up) node.start();
    });
  }

  #partition(node: SimNode, random: Random): void {
    this.#counts.partitions += 1;
    this.#partitioned.add(node.spec.name);
    for (const end of node.wires) end.cut();
    node.wires.clear();
    this.#time.after(random.between(1, this.#drawn.partitionMsMax), () => this.#partitioned.delete(node.spec.name));
  }

  #heal(): void {
    this.#faults = noFaults;
    this.#partitioned.clear();
    for (const node of this.#nodes) {
      node.skewMs = 0;
      if (!node.up) node.start();
    }
  }

  #world(): NodeWorld {
    return {
      time: this.#time,
      random: this.#random.fork(),
      keys: new SimKeys(),
      faults: () => this.#faults,
      registry: this.#registry(),
      makeStorage: this.#options.makeStorage ?? soundStorage,
      observerOf: (node) => this.#checker.observerOf(node),
      dialOf: (node) => this.#dialOf(node),
      nodeNamed: (name) => this.#nodeNamed(name),
      log: (node, { event, details, error }) => {
        const text = JSON.stringify({ ...details, ...(error === null ? {} : { error: error.message }) });
        this.#options.onLine?.(`${this.#time.nowMs.toFixed(0)} ${node.spec.name} ${event} ${text}`);
      },
      falseTop: this.#options.falseTop ?? false,
    };
  }

  #nodeNamed(name: string): SimNode {
    const node = this.#nodes.find((item) => item.spec.name === name);
    if (node === undefined) throw new RangeError(`no node ${name}`);
    return node;
  }

  #registry(): NodeRegistry {
    const record = (node: SimNode) => ({
      node: node.identity.nodeId,
      publicKey: node.identity.publicKey,
      grant: { tenant: node.spec.tenant ?? "", tier: node.spec.tier, role: "crew", scopes: {} },
    });
    return {
      find: async ({ tenant, node }) => {
        const found = this.#nodes.find((item) => item.identity.nodeId === node && item.spec.tenant === tenant);
        return found === undefined ? null : record(found);
      },
      active: async (keys) => this.#nodes.filter((item) => keys.some(({ node }) => node === item.identity.nodeId)).map(record),
    };
  }

  #dialOf(node: SimNode): Dial {
    const random = this.#random.fork();
    const { life } = node;
    return async () => {
      await this.#time.sleep(random.next() * this.#faults.latencyMsMax);
      // Who dialled has crashed meanwhile, and the node may be up again.
      if (node.life !== life) return await never;
      const parent = this.#nodeNamed(node.spec.parent ?? "");
      if (parent.network === null || !node.up || this.#partitioned.has(node.spec.name)) throw new HayloftError("unavailable");
      const wire = new FaultyWire(
        {
          time: this.#time,
          random: random.fork(),
          faults: () => this.#faults,
          counts: this.#counts,
          onDelivered: (to, bytes) => this.#delivered(to, bytes),
        },
        [node.spec.name, parent.spec.name],
      );
      const [mine, theirs] = wire.ends;
      node.wires.add(mine);
      parent.wires.add(theirs);
      parent.network.accept(theirs);
      return mine;
    };
  }

  #delivered(to: string, bytes: Uint8Array): void {
    this.#messages += 1;
    this.#bytes += bytes.length;
    let mixed = Number(this.#hash & 0xffff_ffffn) ^ Math.trunc(this.#time.nowMs * 1_000);
    for (const character of to) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x0100_0193);
    for (const byte of bytes) mixed = Math.imul(mixed ^ byte, 0x0100_0193);
    this.#hash = BigInt.asUintN(64, (this.#hash << 7n) ^ (this.#hash >> 3n) ^ BigInt(mixed >>> 0));
  }
}
