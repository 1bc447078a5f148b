import { digestOf, isLarge } from "./sim-parts.ts";
import { applyOffer } from "./sim-offers.ts";
import { SimSnapshots } from "./sim-snapshots.ts";
import { refusalOf } from "./sim-refusal.ts";
import type {
  AckRecord,
  ApplyPartRequest,
  ApplyRequest,
  ApplyResult,
  Change,
  Commit,
  CommitOutcome,
  Cursor,
  ErrorCode,
  LogHead,
  LogPart,
  ReadLogRequest,
  ReadPartRequest,
  ReadSlice,
  ReplicaStorage,
  SettledSeq,
  StagedCommit,
} from "@hayloft/engine";
import {
  commitHash,
  HayloftError,
  isOffer,
  isOffered,
  latestOpsSeen,
  latestSeen,
  renameSeen,
  rowKeys,
  sameBytes,
  sha256,
  stampIsAcceptable,
  startClock,
  tickClock,
  withoutOffer,
} from "@hayloft/engine";
import { type SimTable, simTables } from "./sim-catalog.ts";
import { restampedRow } from "./sim-rows.ts";
import { nameOf, planOf, rowName } from "./sim-store.ts";
import type { Entry, Log, SimStore } from "./sim-store.ts";

const flowsDown = (table: string): boolean => Object.hasOwn(simTables, table) && simTables[table as SimTable].flow !== "up";

/** What the simulation looks at while the storage works. */
export interface StorageObserver {
  applied(request: ApplyRequest, fresh: readonly Commit[]): void;
  acknowledged(ack: AckRecord): void;
  settled(tenant: string, origins: readonly SettledSeq[]): void;
  committed(): void;
}

/** `ReplicaStorage` over `SimStore`, with the same rules for duplicates, cursors, outcomes and logs as the one over SQL. */
export class SimStorage extends SimSnapshots implements ReplicaStorage {
  readonly #nowMs: () => number;
  readonly #observer: StorageObserver;

  constructor(options: {
    readonly store: SimStore;
    /** The parent's node; null at the top. */
    readonly parent: string | null;
    readonly nowMs: () => number;
    readonly observer: StorageObserver;
  }) {
    super(options.store, options.parent, () => options.observer.committed());
    this.#nowMs = options.nowMs;
    this.#observer = options.observer;
  }

  async heads(tenants: readonly string[]): Promise<readonly LogHead[]> {
    return tenants.map((tenant) => this.store.head(tenant));
  }

  async receivedCursors(peer: string): Promise<readonly Cursor[]> {
    return this.#cursors(peer, (mark) => mark.received);
  }

  async grantedBy(peer: string, tenant: string): Promise<string | null> {
    return this.store.peer(peer, tenant).granted;
  }

  async takeGrant(peer: string, tenant: string, granted: string): Promise<boolean> {
    const mark = this.store.peer(peer, tenant);
    const changed = mark.granted !== null && mark.granted !== granted;
    mark.granted = granted;
    this.#observer.committed();
    return changed;
  }

  async acknowledgedCursors(peer: string): Promise<readonly Cursor[]> {
    return this.#cursors(peer, (mark) => mark.acknowledged);
  }

  #cursors(
    peer: string,
    pick: (mark: { received: Cursor | null; acknowledged: Cursor | null }) => Cursor | null,
  ): readonly Cursor[] {
    return [...this.store.peers].flatMap(([key, mark]) => (key.startsWith(`${peer} `) ? (pick(mark) ?? []) : []));
  }

  async readLog(request: ReadLogRequest): Promise<ReadSlice> {
    const { tenant, after, peer, towards, rowsMax } = request;
    const log = this.store.log(tenant);
    if (towards === "down" && after < log.filledPosition) throw new HayloftError("behind-horizon", { position: after });
    const told = (position: number): { readonly mark?: Uint8Array } => (towards === "down" ? this.mark(tenant, position) : {});
    const commits: Commit[] = [];
    let upTo = after;
    let rows = 0;
    for (const entry of log.entries.slice(after)) {
      const { position, commit, via } = entry;
      const changes = towards === "up" ? commit.changes : this.#downward(entry);
      const wanted = via !== peer && (towards === "up" || changes.length > 0);
      if (wanted && isLarge(commit)) {
        const slice = { tenant, incarnation: log.incarnation, after, upTo: position - 1, head: log.position, commits };
        return { ...slice, ...told(position - 1), large: position };
      }
      if (wanted && commits.length > 0 && rows + changes.length > rowsMax) break;
      upTo = position;
      if (!wanted) continue;
      rows += changes.length;
      commits.push(towards === "up" ? commit : { ...commit, changes });
    }
    return { tenant, incarnation: log.incarnation, after, upTo, head: log.position, commits, ...told(upTo) };
  }

  /** What was offered here is news to children; what we offer ourselves they have from us. */
  #downward({ commit, via }: Entry): readonly Change[] {
    return commit.changes.flatMap((change) => {
      if (!flowsDown(change.table) || (isOffered(change) && via === this.store.node)) return [];
      return [withoutOffer(change)];
    });
  }

  /** One change a part. */
  async readPart({ tenant, position, after, towards }: ReadPartRequest): Promise<LogPart> {
    const log = this.store.log(tenant);
    const entry = log.entries[position - 1];
    if (entry === undefined || (towards === "down" && position <= log.filledPosition)) {
      throw new HayloftError("behind-horizon", { position });
    }
    const { commit } = entry;
    const changes = towards === "up" ? commit.changes : this.#downward(entry);
    const ordinal = (after?.ordinal ?? 0) + 1;
    const own = changes.slice(ordinal - 1, ordinal);
    const place = { ordinal, digest: digestOf(after?.digest ?? commit.hash, own) };
    const { incarnation, position: head } = log;
    const mark = towards === "down" ? this.mark(tenant, position) : {};
    return { incarnation, head, commit: { ...commit, changes: own }, place, last: ordinal >= changes.length, ...mark };
  }

  async applyPart({ part, ...request }: ApplyPartRequest): Promise<ApplyResult | null> {
    const { slice, index, last, digest } = part;
    const [commit] = slice.commits;
    if (commit === undefined) throw new HayloftError("frame-invalid");
    const mark = this.store.peer(request.peer, slice.tenant);
    const begun = { incarnation: slice.incarnation, position: slice.upTo, parts: 0, digest: commit.hash, changes: [] };
    const staged = index === 0 ? begun : mark.staged;
    if (staged?.incarnation !== slice.incarnation || staged.position !== slice.upTo || staged.parts !== index) {
      throw new HayloftError("sequence-gap", { part: index });
    }
    if (!sameBytes(digestOf(staged.digest, commit.changes), digest)) throw new HayloftError("content-hash", { part: index });
    const changes = [...staged.changes, ...commit.changes];
    mark.staged = last ? null : { ...staged, parts: index + 1, digest, changes };
    if (!last) return null;
    return await this.apply({ ...request, slice: { ...slice, commits: [{ ...commit, changes }] } });
  }

  async stagedCommits(peer: string): Promise<readonly StagedCommit[]> {
    return [...this.store.peers].flatMap(([key, { staged }]) => {
      if (!key.startsWith(`${peer} `) || staged === null) return [];
      const { incarnation, position, parts, digest } = staged;
      return [{ tenant: key.slice(peer.length + 1), incarnation, position, parts, digest }];
    });
  }

  async apply(request: ApplyRequest): Promise<ApplyResult> {
    const { peer, from, slice } = request;
    const { tenant } = slice;
    const mark = this.store.peer(peer, tenant);
    const received = mark.received?.incarnation === slice.incarnation ? mark.received.position : 0;
    const startsOver = from === "child" && mark.received?.incarnation !== slice.incarnation;
    if (slice.after > received && !startsOver) throw new HayloftError("sequence-gap", { received, after: slice.after });
    const fresh = this.accept(request);
    let applied = 0;
    for (const commit of fresh) if (this.applyCommit(commit, request)) applied += 1;
    const position = Math.max(received, slice.upTo);
    const told = slice.upTo >= received ? slice.mark : mark.received?.mark;
    mark.received = { tenant, incarnation: slice.incarnation, position, ...(told !== undefined && { mark: told }) };
    const outcomes = from === "child" ? this.#outcomesToTell(request, received, position) : [];
    this.#observer.applied(request, fresh);
    this.#observer.committed();
    return {
      position,
      outcomes,
      rowsApplied: applied,
      commitsApplied: applied,
      commitsDuplicate: slice.commits.length - fresh.length,
    };
  }

  /** The commits that are new, checked before anything is changed. */
  protected accept({ peer, node = peer, from, slice, verifiedSeq = Infinity }: ApplyRequest): readonly Commit[] {
    const marks = new Map<string, { seq: number; hash: Uint8Array }>();
    const fresh: Commit[] = [];
    const own = this.store.log(slice.tenant);
    for (const commit of slice.commits) {
      const known = commit.origin === own.incarnation ? own : this.store.origin(slice.tenant, commit.origin);
      const mark = marks.get(commit.origin) ?? { seq: known.seq, hash: known.hash };
      if (commit.seq <= mark.seq) {
        const isOwn = from === "child" && commit.node === node && commit.origin === slice.incarnation;
        const differs = commit.seq === mark.seq ? !sameBytes(commit.hash, mark.hash) : isOwn && commit.seq > verifiedSeq;
        if (differs) throw new HayloftError("history-diverged", { origin: commit.origin, seq: commit.seq });
        continue;
      }
      if (from === "child") {
        const details = { origin: commit.origin, seq: commit.seq };
        // Of the commits that a child relays, those are missing that it refused itself.
        const follows = commit.seq === mark.seq + 1;
        if (!follows && commit.node === node) throw new HayloftError("sequence-gap", details);
        if (follows && !sameBytes(commit.previousHash, mark.hash)) throw new HayloftError("history-diverged", details);
        if (!sameBytes(commitHash(commit, sha256), commit.hash)) throw new HayloftError("content-hash", details);
        if (!stampIsAcceptable(commit.stamp, this.#nowMs())) throw new HayloftError("clock-ahead", details);
      }
      marks.set(commit.origin, { seq: commit.seq, hash: commit.hash });
      fresh.push(commit);
    }
    return fresh;
  }

  /** False when the commit is refused. */
  protected applyCommit(commit: Commit, { peer, from }: ApplyRequest): boolean {
    const store = this.store;
    const log = store.log(commit.tenant);
    const origin = store.origin(commit.tenant, commit.origin);
    origin.seq = commit.seq;
    origin.hash = commit.hash;
    if (from === "child" && isOffer(commit)) {
      applyOffer(store, commit, peer, this.isRecovering(peer, commit.tenant));
      return true;
    }
    const told = from === "child" ? peer : null;
    const refusal = from === "child" ? this.refusalOf(commit) : null;
    if (refusal !== null) {
      store.outcomes.set(nameOf(commit), { outcome: "refused", code: refusal, peer: told, toldPosition: null });
      store.judged.set(nameOf(commit), commit);
      return false;
    }
    const lost = store.writeRows(commit);
    if (lost && from === "child") {
      store.outcomes.set(nameOf(commit), { outcome: "merged", code: null, peer: told, toldPosition: null });
      store.judged.set(nameOf(commit), commit);
    }
    const kept =
      from === "child" && this.parent !== null ? commit.changes : commit.changes.filter((change) => flowsDown(change.table));
    if (kept.length > 0 && !(from === "parent" && store.tier === "tablet")) store.append(log, { ...commit, changes: kept }, peer);
    return true;
  }

  protected refusalOf(commit: Commit): ErrorCode | null {
    return refusalOf(commit);
  }

  #outcomesToTell({ peer, node = peer, slice }: ApplyRequest, received: number, position: number): readonly CommitOutcome[] {
    const told: CommitOutcome[] = [];
    const isCopyBack = node !== peer && slice.after < received;
    const isOfCopy = (other: string | null): boolean => other === node || other?.startsWith(`${node}~`) === true;
    for (const [name, stored] of this.store.outcomes) {
      const isDue = stored.peer === peer && (stored.toldPosition === null || stored.toldPosition > slice.after);
      if (!isDue && !(isCopyBack && stored.peer !== peer && isOfCopy(stored.peer))) continue;
      if (isDue) this.store.outcomes.set(name, { ...stored, toldPosition: position });
      const [origin = "", seq = "0"] = name.split(" ");
      const truth = this.truthOf(slice.tenant, this.store.judged.get(name)?.changes ?? []);
      told.push({ origin, seq: Number(seq), outcome: stored.outcome, code: stored.code, truth });
    }
    return told;
  }

  async recordAcknowledgement(ack: AckRecord): Promise<void> {
    const store = this.store;
    const log = store.log(ack.tenant);
    if (ack.incarnation !== log.incarnation) return;
    if (ack.position > log.position) throw new HayloftError("history-diverged", { position: ack.position });
    const mark = store.peer(ack.peer, ack.tenant);
    const before = mark.acknowledged?.position ?? 0;
    mark.acknowledged = { tenant: ack.tenant, incarnation: ack.incarnation, position: Math.max(before, ack.position) };
    if (ack.top) {
      for (const { commit } of log.entries.slice(before, ack.position)) {
        const origin = store.origin(ack.tenant, commit.origin);
        origin.topSeq = Math.max(origin.topSeq, commit.seq);
      }
    }
    for (const outcome of ack.outcomes) this.#takeOutcome(ack, log, outcome);
    this.#observer.acknowledged(ack);
    this.#observer.committed();
  }

  #takeOutcome({ tenant }: AckRecord, log: Log, { origin, seq, outcome, code, truth }: CommitOutcome): void {
    const name = nameOf({ origin, seq });
    const known = this.store.outcomes.get(name);
    if (known?.outcome === outcome && known.code === code) return;
    const entry = log.entries.find((item) => nameOf(item.commit) === name);
    this.store.outcomes.set(name, { outcome, code, peer: entry?.via ?? null, toldPosition: null });
    if (entry === undefined) return;
    if (entry.via !== null) this.store.judged.set(name, entry.commit);
    this.store.writeTruth(tenant, truth, entry.commit, outcome === "refused");
  }

  async settledSeqs(tenant: string, origins: readonly string[]): Promise<readonly SettledSeq[]> {
    return origins.map((origin) => ({
      origin,
      seq: this.parent !== null ? this.store.origin(tenant, origin).topSeq : this.store.origin(tenant, origin).seq,
    }));
  }

  async recordSettled(tenant: string, origins: readonly SettledSeq[]): Promise<void> {
    this.#observer.settled(tenant, origins);
    for (const { origin, seq } of origins) {
      const mark = this.store.origin(tenant, origin);
      mark.topSeq = Math.max(mark.topSeq, seq);
    }
    this.#observer.committed();
  }

  async restampUnacknowledged(peer: string, tenant: string): Promise<number> {
    const store = this.store;
    const log = store.log(tenant);
    const after = store.peer(peer, tenant).acknowledged?.position ?? 0;
    let clock = startClock(0n);
    let previous: Uint8Array | null = null;
    let count = 0;
    const renamed = new Map<string, string>();
    log.entries = log.entries.map((entry) => {
      const { commit } = entry;
      if (commit.origin !== log.incarnation || entry.position <= after) {
        if (commit.stamp > clock.last) clock = startClock(commit.stamp);
        if (commit.origin === log.incarnation) previous = commit.hash;
        return entry;
      }
      const cells = latestSeen(commit.changes, (stamp, node) => renamed.has(`${stamp} ${node}`));
      const ops = latestOpsSeen(commit.changes, () => false);
      const seen = cells > ops ? cells : ops;
      if (seen > clock.last) clock = startClock(seen);
      const next = tickClock(clock, this.#nowMs(), store.part);
      clock = next.clock;
      const stamp = next.stamp;
      renamed.set(`${String(commit.stamp)} ${commit.node}`, String(stamp));
      const changes = commit.changes.map((change) => renameSeen(change, (old, node) => renamed.get(`${old} ${node}`) ?? null));
      const unhashed: Commit = { ...commit, stamp, changes, previousHash: previous ?? commit.previousHash };
      const restamped = { ...unhashed, hash: commitHash(unhashed, sha256) };
      previous = restamped.hash;
      this.#restampRows(commit, restamped);
      store.journal.rename(commit, restamped);
      count += 1;
      return { ...entry, commit: restamped };
    });
    if (previous !== null) log.hash = previous;
    log.stamp = clock.last;
    return count;
  }

  /** The cells that the commit wrote under its old stamp carry the new one. */
  #restampRows(before: Commit, after: Commit): void {
    for (const change of before.changes) {
      for (const key of rowKeys(change, planOf(change.table))) {
        const id = rowName(before.tenant, change.table, key);
        const state = this.store.rows.get(id);
        if (state === undefined) continue;
        this.store.rows.set(id, restampedRow(planOf(change.table), state, before, after));
      }
    }
  }
}
