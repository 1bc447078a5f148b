import type { ChainPoint, Commit, EndedLife, HistoryCheck, LogHorizon, LogLife } from "@hayloft/engine";
import { commitHash, firstPreviousHash, sameBytes, sha256 } from "@hayloft/engine";
import type { Log, SimStore } from "./sim-store.ts";
import { nameOf } from "./sim-store.ts";

/** The part of the storage that tells copies and older images of a database from the one that its peers know. */
export class SimHistory {
  protected readonly store: SimStore;

  constructor(store: SimStore) {
    this.store = store;
  }

  async chainPoints(_node: string, logs: readonly LogLife[]): Promise<readonly ChainPoint[]> {
    return logs.flatMap(({ tenant, incarnation }) => {
      const { seq, hash } = this.store.origin(tenant, incarnation);
      return seq === 0 ? [] : [{ tenant, incarnation, seq, hash }];
    });
  }

  async lives(tenants: readonly string[]): Promise<readonly EndedLife[]> {
    return tenants.flatMap((tenant) =>
      this.store.log(tenant).lives.map(({ incarnation, position }) => ({ tenant, incarnation, position })),
    );
  }

  /** No marks are made here, so nobody can prove anything. */
  async findLost(): Promise<readonly string[]> {
    return [];
  }

  /** Nothing is ever pruned here. */
  async horizons(): Promise<readonly LogHorizon[]> {
    return [];
  }

  async copyId(): Promise<string | null> {
    return this.store.copy;
  }

  async peerOfCopy(_tenant: string, node: string, copy: string): Promise<string> {
    return `${node}~${copy}`;
  }

  async settleHistory({ peer, tenant, chains, received }: HistoryCheck): Promise<number | null> {
    const log = this.store.log(tenant);
    const chain = chains.find(({ incarnation }) => incarnation === log.incarnation);
    const own = log.entries.find(({ commit }) => commit.origin === log.incarnation && commit.seq === chain?.seq);
    const isAhead = received?.incarnation === log.incarnation && received.position > log.position;
    const differs = chain !== undefined && (own === undefined || !sameBytes(own.commit.hash, chain.hash));
    if (isAhead || differs) {
      this.beginAnew(peer);
      return null;
    }
    const { acknowledged } = this.store.peer(peer, tenant);
    const agreed = acknowledged?.incarnation === log.incarnation ? acknowledged.position : 0;
    if (received?.incarnation === log.incarnation) return Math.min(received.position, agreed);
    const life = log.lives.find(({ incarnation }) => incarnation === received?.incarnation);
    if (received !== null && life !== undefined) return Math.min(life.position, received.position, agreed);
    const hasAll = log.lives.every(
      (of) => (chains.find(({ incarnation }) => incarnation === of.incarnation)?.seq ?? 0) >= of.seq,
    );
    return received === null && log.lives.length > 0 && hasAll ? agreed : 0;
  }

  /** Every log of this database begins a new life; what the parent has not acknowledged of our own goes up under new names. */
  protected beginAnew(parent: string): void {
    for (const [tenant, log] of this.store.logs) {
      const mark = this.store.peer(parent, tenant);
      const agreed = mark.acknowledged?.incarnation === log.incarnation ? mark.acknowledged.position : 0;
      const old = log.incarnation;
      this.#rename(tenant, log, agreed);
      mark.received = null;
      mark.snapshot = null;
      mark.acknowledged =
        mark.acknowledged?.incarnation === old ? { tenant, incarnation: log.incarnation, position: agreed } : null;
    }
    this.store.copy = this.store.newIncarnation();
    this.store.salt = 1 + (Number.parseInt(this.store.copy.slice(0, 4), 16) % 32_767);
  }

  #rename(tenant: string, log: Log, agreed: number): void {
    const old = log.incarnation;
    const fresh = this.store.newIncarnation();
    const kept = log.entries.filter(({ position, commit }) => commit.origin === old && position <= agreed).at(-1);
    let [seq, hash] = [0, firstPreviousHash()];
    log.entries = log.entries.map((entry) => {
      if (entry.commit.origin !== old || entry.position <= agreed) return entry;
      seq += 1;
      const unhashed = { ...entry.commit, origin: fresh, seq, previousHash: hash };
      const commit = { ...unhashed, hash: commitHash(unhashed, sha256) };
      hash = commit.hash;
      this.#renameOne(entry.commit, commit);
      return { ...entry, commit };
    });
    const mark = this.store.origin(tenant, old);
    mark.seq = kept?.commit.seq ?? 0;
    mark.hash = kept?.commit.hash ?? firstPreviousHash();
    log.lives = [{ incarnation: old, position: log.position, seq: mark.seq }, ...log.lives];
    log.incarnation = fresh;
    log.seq = seq;
    log.hash = hash;
  }

  /** Under the old name the commit of another copy may come. */
  #renameOne(before: Commit, after: Commit): void {
    const { effects } = this.store;
    effects.set(nameOf(after), effects.get(nameOf(before)) ?? 0);
    effects.delete(nameOf(before));
  }
}
