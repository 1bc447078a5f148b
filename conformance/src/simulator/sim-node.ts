import type {
  Dial,
  LocalSide,
  LogEvent,
  NodeIdentity,
  NodeRegistry,
  ReplicaStorage,
  SessionPorts,
  Timers,
} from "@hayloft/engine";
import { defaultLimits, defaultSessionLimits, PeerNetwork, catalogHash } from "@hayloft/engine";
import type { Faults } from "./faults.ts";
import type { WireEnd } from "./faulty-wire.ts";
import type { Random } from "./random.ts";
import { sharedTenant, simCatalog } from "./sim-catalog.ts";
import type { SimKeys } from "./sim-identity.ts";
import { SimStorage } from "./sim-storage.ts";
import type { StorageObserver } from "./sim-storage.ts";
import { SimStore } from "./sim-store.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface NodeSpec {
  readonly name: string;
  readonly tier: "cloud" | "edge" | "tablet";
  readonly tenant: string | null;
  readonly parent: string | null;
}

/** Makes the storage of a node; the tests of the simulator put broken ones here. */
export type MakeStorage = (options: ConstructorParameters<typeof SimStorage>[0]) => SimStorage;
export const soundStorage: MakeStorage = (options) => new SimStorage(options);

export interface NodeWorld {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly keys: SimKeys;
  readonly faults: () => Faults;
  readonly registry: NodeRegistry;
  readonly makeStorage: MakeStorage;
  readonly observerOf: (node: SimNode) => StorageObserver;
  readonly dialOf: (node: SimNode) => Dial;
  readonly nodeNamed: (name: string) => SimNode;
  readonly log: (node: SimNode, event: LogEvent) => void;
  /** True: the node claims to be the top although it is not. */
  readonly falseTop: boolean;
}

/** Milliseconds since 1970 at the start of every run. */
const startMs = Date.UTC(2026, 0, 1);

/** One replica: its store outlives crashes, everything else starts anew. */
export class SimNode {
  readonly spec: NodeSpec;
  readonly identity: NodeIdentity;
  store: SimStore;
  /** Its disk was put back to an older image, or copied from another's: it does not know all that it once knew. */
  isRestored = false;
  readonly wires = new Set<WireEnd>();
  readonly #world: NodeWorld;
  network: PeerNetwork | null = null;
  skewMs = 0;
  /** Raised by each start: what an earlier life left behind does nothing any more. */
  life = 0;

  constructor(spec: NodeSpec, world: NodeWorld, original: SimNode | null = null) {
    this.spec = spec;
    this.#world = world;
    if (original !== null) {
      this.identity = original.identity;
      this.store = original.store.image();
      this.isRestored = true;
      return;
    }
    this.identity = world.keys.identity({ nodeId: world.random.uuid(), tier: spec.tier, tenant: spec.tenant });
    this.store = new SimStore(this.identity.nodeId, spec.tier, () => world.random.uuid());
  }

  get up(): boolean {
    return this.network !== null;
  }

  wallMs(): number {
    return Math.floor(startMs + this.#world.time.nowMs + this.skewMs);
  }

  start(): void {
    this.life += 1;
    const { spec } = this;
    const parent = spec.parent === null ? null : this.#world.nodeNamed(spec.parent).identity;
    this.network = new PeerNetwork({
      ports: this.#ports(),
      local: this.#localSide(),
      tenant: spec.tenant,
      parent: parent === null ? null : { node: parent.nodeId, publicKey: parent.publicKey, dial: this.#world.dialOf(this) },
      onGrown: () => undefined,
      onProgress: () => undefined,
    });
    this.network.start();
  }

  /** Everything that was not stored is gone. */
  crash(): void {
    this.life += 1;
    this.network = null;
    for (const end of this.wires) end.crash();
    this.wires.clear();
  }

  /** The disk is as it was; what was written since is gone from here. It must be down. */
  restore(image: SimStore): void {
    this.store = image.image();
    this.isRestored = true;
  }

  #localSide(): LocalSide {
    const { spec, identity } = this;
    return {
      node: identity.nodeId,
      tier: spec.tier,
      application: simCatalog.name,
      catalogVersion: 1,
      catalogVersionOldest: 1,
      catalogHash: hash,
      sharedTenant,
      level: "D2",
      top: spec.parent === null || this.#world.falseTop,
      limits: { ...defaultSessionLimits, windowBytes: 64 * 1024, sliceRows: 20, applyRows: 60, pageBytes: 800, ackOutcomes: 3 },
      frameBytesMax: defaultLimits.frameBytesMax,
    };
  }

  #ports(): SessionPorts {
    const { keys, random, registry } = this.#world;
    const sound = this.#world.makeStorage({
      store: this.store,
      parent: this.spec.parent === null ? null : this.#world.nodeNamed(this.spec.parent).identity.nodeId,
      nowMs: () => this.wallMs(),
      observer: this.#world.observerOf(this),
    });
    const { life } = this;
    const stored = async <T>(work: () => Promise<T>): Promise<T> => await this.#stored(life, work);
    const storage = slow(sound, stored);
    return {
      identity: this.identity,
      storage,
      registry,
      timers: this.#timers(),
      recordSettled: async (tenant, origins) => await stored(async () => await sound.recordSettled(tenant, origins)),
      notePeer: async () => undefined,
      verify: keys.verify,
      randomBytes: (count) => random.bytes(count),
      random: () => random.next(),
      log: (event) => this.#world.log(this, event),
    };
  }

  #timers(): Timers {
    const { time } = this.#world;
    const life = this.life;
    return {
      moment: () => ({ nowMs: this.wallMs(), steadyMs: time.nowMs }),
      after: (ms, run) =>
        time.after(ms, () => {
          if (this.life === life) run();
        }),
    };
  }

  /** Storing takes time before and after; a crash in between loses the call, or only its answer. */
  async #stored<T>(life: number, work: () => Promise<T>): Promise<T> {
    const { time, random, faults } = this.#world;
    await time.sleep(random.next() * faults().storageMsMax);
    if (this.life !== life) return await never;
    const result = await work();
    await time.sleep(random.next() * faults().storageMsMax);
    return this.life === life ? result : await never;
  }
}

const hash = catalogHash(simCatalog);
const never = new Promise<never>(() => undefined);

type Stored = <T>(work: () => Promise<T>) => Promise<T>;

function slow(sound: ReplicaStorage, stored: Stored): ReplicaStorage {
  return {
    heads: async (...args) => await stored(async () => await sound.heads(...args)),
    receivedCursors: async (...args) => await stored(async () => await sound.receivedCursors(...args)),
    acknowledgedCursors: async (...args) => await stored(async () => await sound.acknowledgedCursors(...args)),
    grantedBy: async (...args) => await stored(async () => await sound.grantedBy(...args)),
    takeGrant: async (...args) => await stored(async () => await sound.takeGrant(...args)),
    chainPoints: async (...args) => await stored(async () => await sound.chainPoints(...args)),
    lives: async (...args) => await stored(async () => await sound.lives(...args)),
    findLost: async (...args) => await stored(async () => await sound.findLost(...args)),
    horizons: async (...args) => await stored(async () => await sound.horizons(...args)),
    copyId: async (...args) => await stored(async () => await sound.copyId(...args)),
    peerOfCopy: async (...args) => await stored(async () => await sound.peerOfCopy(...args)),
    settleHistory: async (...args) => await stored(async () => await sound.settleHistory(...args)),
    readLog: async (...args) => await stored(async () => await sound.readLog(...args)),
    readPart: async (...args) => await stored(async () => await sound.readPart(...args)),
    applyPart: async (...args) => await stored(async () => await sound.applyPart(...args)),
    stagedCommits: async (...args) => await stored(async () => await sound.stagedCommits(...args)),
    apply: async (...args) => await stored(async () => await sound.apply(...args)),
    recordAcknowledgement: async (...args) => await stored(async () => await sound.recordAcknowledgement(...args)),
    settledSeqs: async (...args) => await stored(async () => await sound.settledSeqs(...args)),
    restampUnacknowledged: async (...args) => await stored(async () => await sound.restampUnacknowledged(...args)),
    readSnapshot: async (...args) => await stored(async () => await sound.readSnapshot(...args)),
    applySnapshot: async (...args) => await stored(async () => await sound.applySnapshot(...args)),
    unfinishedSnapshot: async (...args) => await stored(async () => await sound.unfinishedSnapshot(...args)),
    finishSnapshot: async (...args) => await stored(async () => await sound.finishSnapshot(...args)),
  };
}
