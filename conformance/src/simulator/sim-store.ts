import type {
  Change,
  Commit,
  Cursor,
  ErrorCode,
  LogHead,
  Outcome,
  RowPlan,
  RowState,
  SnapshotCursor,
  StagedCommit,
  Stamp,
} from "@hayloft/engine";
import {
  commitHash,
  EMPTY_ROW,
  firstPreviousHash,
  foldRow,
  LossBook,
  seenReader,
  HayloftError,
  isPresent,
  latestStamp,
  mergeClock,
  rowKeys,
  rowPlan,
  sameBytes,
  sha256,
  startClock,
  stateOfChange,
  takenBackLosers,
  tickClock,
  UNKNOWN_STAMP,
  withoutStamp,
  columnOf,
  writeName,
} from "@hayloft/engine";
import { captureRow, type RowStatement } from "@hayloft/engine/testing";
import type { MixedTable, SimTable } from "./sim-catalog.ts";
import { simTables } from "./sim-catalog.ts";
import { SimJournal } from "./sim-journal.ts";

export interface Entry {
  readonly position: number;
  readonly commit: Commit;
  /** The peer it came from; null: ours. */
  readonly via: string | null;
  /** Ours, as it was when it was written: it may have got another stamp or another name since. */
  readonly first: Commit | null;
}

export interface Log {
  incarnation: string;
  /** Its earlier lives, the latest first: where the log ended then, and which of its own commits kept their names. */
  lives: { readonly incarnation: string; readonly position: number; readonly seq: number }[];
  position: number;
  seq: number;
  stamp: bigint;
  hash: Uint8Array;
  /** Rows came by a snapshot when the log was here: children that are not as far take one too. */
  filledPosition: number;
  entries: Entry[];
}

export interface OriginMark {
  seq: number;
  hash: Uint8Array;
  topSeq: number;
}

export interface PeerMark {
  received: Cursor | null;
  acknowledged: Cursor | null;
  snapshot: { readonly at: Cursor; readonly cursor: SnapshotCursor } | null;
  granted: string | null;
  /** A commit of which the last part has not come. */
  staged: (Omit<StagedCommit, "tenant"> & { readonly changes: readonly Change[] }) | null;
}

export interface StoredOutcome {
  readonly outcome: Outcome;
  readonly code: ErrorCode | null;
  readonly peer: string | null;
  readonly toldPosition: number | null;
}

export const planOf = (name: string): RowPlan => {
  if (!Object.hasOwn(simTables, name)) throw new HayloftError("refused-schema", { table: name });
  return rowPlan(simTables[name as SimTable]);
};

/** What a write does to one table: whole row images. */
export interface Row {
  readonly table: SimTable;
  readonly values: Readonly<Record<string, string | null>>;
  /** Columns that the statement changed; absent: an insert. */
  readonly changed?: readonly string[];
}

/** A statement on a row with columns of every rule. */
export interface MixedStatement {
  readonly table: MixedTable;
  readonly id: string;
  readonly kind: RowStatement["kind"];
  readonly cells: RowStatement["cells"];
}

/**
 * One node's database, in memory. Every method is one transaction: it changes everything it should, or throws before it
 * has changed anything. What it holds survives a crash of the node.
 */
export class SimStore {
  readonly logs = new Map<string, Log>();
  readonly origins = new Map<string, OriginMark>();
  readonly peers = new Map<string, PeerMark>();
  readonly outcomes = new Map<string, StoredOutcome>();
  readonly rows = new Map<string, RowState>();
  journal = new SimJournal();
  /**
   * Names of writes of which this node cannot know what became of them: those that a page of a snapshot replaced, and those that
   * had lost before a snapshot, as somebody may have overwritten them knowingly in a commit that it never got.
   */
  readonly unknownBySnapshot = new Set<string>();
  /** Names of writes that came in an answer or a page before their commit: whoever overwrote them then had seen them. */
  readonly cameEarly = new Set<string>();
  /** Refused and merged commits of children. */
  readonly judged = new Map<string, Commit>();
  /** By peer, tenant and life: how far a child had proven to have our log when it turned out that we had lost some of it. */
  readonly recoveries = new Map<string, { readonly peer: string; readonly tenant: string; isOpen: boolean }>();
  /** How often the rows of a commit were written; more than once is a broken promise. */
  readonly effects = new Map<string, number>();
  /** The commit that has a name here, by its hash: copies give one name to different commits. */
  readonly #hashes = new Map<string, Uint8Array>();
  readonly node: string;
  readonly tier: string;
  readonly newIncarnation: () => string;
  /** What tells this database from others that were copied from the same one. */
  copy: string | null = null;
  /** Whose part of a millisecond's counter its stamps are in, so that two copies never give the same. */
  part = 0;

  constructor(node: string, tier: string, newIncarnation: () => string) {
    this.node = node;
    this.tier = tier;
    this.newIncarnation = newIncarnation;
  }

  /** Another disk with the same on it. */
  image(): SimStore {
    const image = new SimStore(this.node, this.tier, this.newIncarnation);
    const fill = <T>(to: Map<string, T>, from: ReadonlyMap<string, T>, copyOf: (item: T) => T): void => {
      for (const [name, item] of from) to.set(name, copyOf(item));
    };
    const same = <T>(item: T): T => item;
    fill(image.logs, this.logs, (log) => ({ ...log, entries: [...log.entries], lives: [...log.lives] }));
    fill(image.origins, this.origins, (mark) => ({ ...mark }));
    fill(image.peers, this.peers, (mark) => ({ ...mark }));
    fill(image.outcomes, this.outcomes, same);
    fill(image.rows, this.rows, same);
    fill(image.judged, this.judged, same);
    fill(image.recoveries, this.recoveries, (item) => ({ ...item }));
    fill(image.effects, this.effects, same);
    fill(image.#hashes, this.#hashes, same);
    for (const name of this.unknownBySnapshot) image.unknownBySnapshot.add(name);
    for (const name of this.cameEarly) image.cameEarly.add(name);
    image.journal = this.journal.copy();
    image.copy = this.copy;
    image.part = this.part;
    return image;
  }

  log(tenant: string): Log {
    let log = this.logs.get(tenant);
    if (log === undefined) {
      log = {
        incarnation: this.newIncarnation(),
        lives: [],
        position: 0,
        seq: 0,
        stamp: 0n,
        hash: firstPreviousHash(),
        filledPosition: 0,
        entries: [],
      };
      this.logs.set(tenant, log);
    }
    return log;
  }

  head(tenant: string): LogHead {
    const { incarnation, position, seq, stamp } = this.log(tenant);
    return { tenant, incarnation, position, seq, stamp };
  }

  origin(tenant: string, incarnation: string): OriginMark {
    const key = `${tenant} ${incarnation}`;
    let mark = this.origins.get(key);
    if (mark === undefined) {
      mark = { seq: 0, hash: firstPreviousHash(), topSeq: 0 };
      this.origins.set(key, mark);
    }
    return mark;
  }

  peer(node: string, tenant: string): PeerMark {
    const key = `${node} ${tenant}`;
    let mark = this.peers.get(key);
    if (mark === undefined) {
      mark = { received: null, acknowledged: null, snapshot: null, granted: null, staged: null };
      this.peers.set(key, mark);
    }
    return mark;
  }

  /** A local transaction: seals a commit at the wall clock's time and writes its rows. */
  write(tenant: string, rows: readonly (Row | MixedStatement)[], nowMs: number): Commit {
    const log = this.log(tenant);
    const { stamp } = tickClock(startClock(log.stamp), nowMs, this.part);
    const unhashed: Commit = {
      tenant,
      origin: log.incarnation,
      seq: log.seq + 1,
      stamp,
      node: this.node,
      tier: this.tier,
      author: null,
      catalogVersion: 1,
      previousHash: log.hash,
      hash: firstPreviousHash(),
      changes: rows.map((row, place) => ("kind" in row ? this.#statement(tenant, row, place + 1) : this.#changeOf(tenant, row))),
    };
    const commit = { ...unhashed, hash: commitHash(unhashed, sha256) };
    log.seq = commit.seq;
    log.stamp = stamp;
    log.hash = commit.hash;
    this.append(log, commit, null);
    this.writeRows(commit);
    return commit;
  }

  /** A commit that was written here, as it is now: it may have got another stamp or another name. Null when this disk has lost it. */
  now(commit: Commit): Commit | null {
    return this.log(commit.tenant).entries.find(({ first }) => first === commit)?.commit ?? null;
  }

  /** Whether this very commit came here, and no other one with its name: applied, or refused. */
  holds(commit: Commit): boolean {
    const name = nameOf(commit);
    const hash = this.#hashes.get(name) ?? this.judged.get(name)?.hash;
    return hash !== undefined && sameBytes(hash, commit.hash);
  }

  /** A commit of this log has another name. */
  rename(before: Commit, after: Commit): void {
    this.effects.set(nameOf(after), this.effects.get(nameOf(before)) ?? 0);
    this.effects.delete(nameOf(before));
    this.#hashes.set(nameOf(after), after.hash);
    this.#hashes.delete(nameOf(before));
  }

  /** The row as it is here. */
  state(tenant: string, table: SimTable, key: string): RowState {
    return this.rows.get(rowName(tenant, table, key)) ?? EMPTY_ROW;
  }

  #statement(tenant: string, { table, id, kind, cells }: MixedStatement, at: number): Change {
    const before = this.state(tenant, table, id);
    return captureRow(planOf(table), before, { kind, cells, key: { tenant_id: tenant, id }, node: this.node, at });
  }

  #changeOf(tenant: string, { table, values, changed }: Row): Change {
    const columns = planOf(table).columns.filter((column) => column !== "tenant_id" && values[column] !== undefined);
    const vectors = columns.map((column) => [values[column] ?? null]);
    const pseudo =
      changed === undefined ? [] : [[changed.join(",")], [this.#seen(rowName(tenant, table, values["id"] ?? ""), changed)]];
    return {
      table,
      op: changed === undefined ? "insert" : "update",
      columns: ["tenant_id", ...columns, ...(changed === undefined ? [] : ["$changed", "$seen"])],
      values: [[tenant], ...vectors, ...pseudo],
      rowCount: 1,
    };
  }

  /** The stamps of what a statement is about to replace; see `SEEN_COLUMN`. */
  #seen(id: string, changed: readonly string[]): string | null {
    const cells = this.rows.get(id)?.cells;
    if (cells === undefined) return null;
    const known = changed.flatMap((column) => {
      const register = cells.get(column);
      return register === undefined || register.stamp === 0n ? [] : [[column, [String(register.stamp), register.node]] as const];
    });
    return JSON.stringify(Object.fromEntries(known));
  }

  append(log: Log, commit: Commit, via: string | null): void {
    log.position += 1;
    log.entries.push({ position: log.position, commit, via, first: via === null ? commit : null });
    log.stamp = mergeClock(startClock(log.stamp), commit.stamp).last;
  }

  /** What is written here from now on is later than what is here. */
  raiseStamp(tenant: string, stamp: bigint): void {
    const log = this.log(tenant);
    if (stamp > log.stamp) log.stamp = stamp;
  }

  /** Rows came that are in no commit. A place in the log stands for them, so that every child is before or behind it. */
  markFilled(tenant: string, via: string): void {
    const log = this.log(tenant);
    const hash = firstPreviousHash();
    const place = {
      tenant,
      origin: this.newIncarnation(),
      seq: 1,
      stamp: log.stamp,
      node: this.node,
      tier: this.tier,
      author: null,
    };
    this.append(log, { ...place, catalogVersion: 1, previousHash: hash, hash, changes: [] }, via);
    log.filledPosition = log.position;
  }

  /** Writes the rows of one commit by their rules; true when one of its values lost. */
  writeRows(commit: Commit): boolean {
    const name = nameOf(commit);
    this.effects.set(name, (this.effects.get(name) ?? 0) + 1);
    this.#hashes.set(name, commit.hash);
    this.raiseStamp(commit.tenant, commit.stamp);
    let lost = false;
    for (const change of commit.changes) lost = this.#writeChange(change, commit) || lost;
    return lost;
  }

  #writeChange(change: Change, commit: Commit): boolean {
    const plan = planOf(change.table);
    const seenOf = seenReader(change, plan);
    const isTruth = columnOf(change, "$stamps") !== undefined;
    const book = new LossBook();
    for (const [index, key] of rowKeys(change, plan).entries()) {
      const id = rowName(commit.tenant, change.table, key);
      const incoming = stateOfChange(change, index, commit, plan);
      const before = this.rows.get(id) ?? EMPTY_ROW;
      // No commit of the workload touches a row twice.
      const joined = foldRow(plan, [key], before, incoming, { seen: seenOf(index), isTruth });
      this.rows.set(id, joined.state);
      if (isTruth) this.cameWithout(change.table, key, { before, after: joined.state, incoming });
      book.add(commit, joined, isTruth);
    }
    this.journal.take(book);
    return book.merged.size > 0;
  }

  /**
   * A row came without the commits that made it, so nobody here knows what their writers had seen, nor what came between; `noted` are
   * writes of which it is known all the same.
   */
  cameWithout(
    table: string,
    key: string,
    { before, after, incoming }: { readonly before: RowState; readonly after: RowState; readonly incoming: RowState },
    noted: ReadonlySet<string> = new Set(),
  ): void {
    const name = (column: string, { stamp, node }: Stamp): string =>
      writeName({ table, key: [key], column, written: { stamp, node } });
    for (const [column, register] of before.cells) {
      const next = after.cells.get(column);
      const isReplaced = next?.stamp !== register.stamp || next.node !== register.node;
      if (isReplaced && !noted.has(name(column, register))) this.unknownBySnapshot.add(name(column, register));
    }
    for (const [column, register] of incoming.cells) this.cameEarly.add(name(column, register));
  }

  /** The authority's rows: what a refused commit wrote is taken back, and they are merged in. */
  writeTruth(tenant: string, truth: readonly Change[], judged: Commit, isRefused: boolean): void {
    const book = new LossBook();
    for (const change of truth) {
      const plan = planOf(change.table);
      for (const [index, key] of rowKeys(change, plan).entries()) {
        const id = rowName(tenant, change.table, key);
        const here = this.rows.get(id) ?? EMPTY_ROW;
        const left = isRefused ? withoutStamp(here, judged, plan) : here;
        let state = left;
        const incoming = stateOfChange(change, index, UNKNOWN_STAMP, plan);
        // A delete without stamps says that the authority never had the row.
        if (change.op !== "delete" || columnOf(change, "$stamps") !== undefined) {
          const joined = foldRow(plan, [key], left, incoming, {
            seen: null,
            isTruth: true,
          });
          book.add(judged, joined, true);
          state = joined.state;
          for (const standing of joined.standing) this.cameEarly.add(writeName(standing));
        }
        this.raiseStamp(tenant, latestStamp(state));
        if (isRefused) for (const loser of takenBackLosers(plan, [key], here, state, judged)) book.lose(null, loser);
        if (state.cells.size === 0 && state.deleted === null) this.rows.delete(id);
        else this.rows.set(id, state);
      }
    }
    this.journal.take(book);
  }

  /** Rows of one table as sorted text, for comparison. */
  dump(tenant: string, table: SimTable): readonly string[] {
    const prefix = rowName(tenant, table, "");
    const lines: string[] = [];
    for (const [id, state] of this.rows) {
      if (!id.startsWith(prefix) || !isPresent(state, planOf(table))) continue;
      lines.push(
        `${id} ${[...state.cells]
          .map(([column, register]) => `${column}=${String(register.value)}`)
          .toSorted()
          .join(" ")}`,
      );
    }
    return lines.sort();
  }
}

export const nameOf = ({ origin, seq }: Pick<Commit, "origin" | "seq">): string => `${origin} ${String(seq)}`;
export const rowName = (tenant: string, table: string, key: string): string => `${tenant}/${table}/${key}`;
