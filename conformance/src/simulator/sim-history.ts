import type {
  ChainPoint,
  Cursor,
  EndedLife,
  HistoryCheck,
  IncarnationCause,
  LogHead,
  LogHorizon,
  LogLife,
} from "@hayloft/engine";
import { COPIES_APART, commitHash, firstPreviousHash, type MarkKey, markOf, readMark, sameBytes, sha256 } from "@hayloft/engine";
import type { Log, SimStore } from "./sim-store.ts";

/** The part of the storage that tells copies and older images of a database from the one that its peers know. */
export class SimHistory {
  protected readonly store: SimStore;
  protected readonly parent: string | null;

  constructor(store: SimStore, parent: string | null) {
    this.store = store;
    this.parent = parent;
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

  /** What only this node can say of a place in its log. */
  protected mark(tenant: string, position: number): { readonly mark?: Uint8Array } {
    const log = this.store.log(tenant);
    const entry = log.entries[position - 1];
    if (entry === undefined) return {};
    return { mark: markOf(this.#markKey, { tenant, incarnation: log.incarnation, position }, entry.commit.hash) };
  }

  get #markKey(): MarkKey {
    return { secret: new TextEncoder().encode(`marks of ${this.store.node}`), sha256 };
  }

  async findLost(
    peer: string,
    { received, heads }: { readonly received: readonly Cursor[]; readonly heads: readonly LogHead[] },
  ): Promise<readonly string[]> {
    const proven = received.flatMap((cursor) => {
      const hash = readMark(this.#markKey, cursor);
      return hash === null ? [] : [{ cursor, isLost: this.#isLost(cursor, hash) }];
    });
    const lost = proven.flatMap(({ cursor, isLost }) => (isLost ? [cursor] : []));
    for (const cursor of lost) this.#noteLost(peer, cursor);
    for (const { tenant, incarnation, position } of heads) {
      if (!proven.some(({ cursor, isLost }) => cursor.tenant === tenant && !isLost)) continue;
      const mine = this.store.peer(peer, tenant).received;
      if (mine?.incarnation !== incarnation || mine.position < position) continue;
      for (const recovery of this.store.recoveries.values())
        if (recovery.peer === peer && recovery.tenant === tenant) recovery.isOpen = false;
    }
    return lost.map(({ tenant }) => tenant);
  }

  #isLost({ tenant, incarnation, position }: Cursor, hash: Uint8Array): boolean {
    const log = this.store.log(tenant);
    const end =
      incarnation === log.incarnation ? log.position : log.lives.find((life) => life.incarnation === incarnation)?.position;
    if (end === undefined || position > end) return true;
    const entry = log.entries[position - 1];
    return entry !== undefined && !sameBytes(entry.commit.hash, hash);
  }

  #noteLost(peer: string, { tenant, incarnation }: Cursor): void {
    const { recoveries } = this.store;
    const log = this.store.log(tenant);
    const isKnown = log.lives.some((life) => life.incarnation === incarnation);
    const isNoted = [...recoveries.keys()].some((name) => name.endsWith(` ${tenant} ${incarnation}`));
    if (incarnation === log.incarnation || (!isKnown && !isNoted)) this.beginAnew();
    recoveries.set(`${peer} ${tenant} ${incarnation}`, { peer, tenant, isOpen: true });
  }

  protected isRecovering(peer: string, tenant: string): boolean {
    return [...this.store.recoveries.values()].some((item) => item.peer === peer && item.tenant === tenant && item.isOpen);
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

  async settleHistory({ peer, tenant, chains, received }: HistoryCheck): Promise<number | IncarnationCause> {
    const log = this.store.log(tenant);
    const chain = chains.find(({ incarnation }) => incarnation === log.incarnation);
    const own = log.entries.find(({ commit }) => commit.origin === log.incarnation && commit.seq === chain?.seq);
    const isAhead = received?.incarnation === log.incarnation && received.position > log.position;
    const differs = chain !== undefined && (own === undefined || !sameBytes(own.commit.hash, chain.hash));
    if (isAhead || differs) {
      this.beginAnew();
      return isAhead ? "rewound" : "diverged";
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

  /**
   * Every log of this database begins a new life; what the parent has not acknowledged of our own goes up under new names. At the top
   * all keep theirs.
   */
  protected beginAnew(): void {
    const { parent } = this;
    for (const [tenant, log] of this.store.logs) {
      if (parent === null) {
        this.#rename(tenant, log, log.position);
        continue;
      }
      const mark = this.store.peer(parent, tenant);
      const agreed = mark.acknowledged?.incarnation === log.incarnation ? mark.acknowledged.position : 0;
      const old = log.incarnation;
      this.#rename(tenant, log, agreed);
      mark.received = null;
      mark.snapshot = null;
      mark.acknowledged =
        mark.acknowledged?.incarnation === old ? { tenant, incarnation: log.incarnation, position: agreed } : null;
    }
    if (parent === null) return;
    this.store.copy = this.store.newIncarnation();
    const drawn = Number.parseInt(this.store.copy.slice(0, 8), 16) % (COPIES_APART - 2);
    this.store.part = 1 + ((this.store.part + drawn) % (COPIES_APART - 1));
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
      // Under the old name the commit of another copy may come.
      this.store.rename(entry.commit, commit);
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
}
