import type {
  Change,
  Commit,
  Cursor,
  Grant,
  Loser,
  RowState,
  SnapshotChunk,
  SnapshotCursor,
  SnapshotPeer,
  Stamp,
  UnfinishedSnapshot,
} from "@hayloft/engine";
import {
  covers,
  EMPTY_ROW,
  foldRow,
  HayloftError,
  isOffer,
  latestStamp,
  LossBook,
  readRowState,
  rowKeys,
  rowValues,
  withoutWrites,
  writeName,
  writeOfLoser,
  writeRowState,
} from "@hayloft/engine";
import { sharedTenant, type SimTable } from "./sim-catalog.ts";
import { SimHistory } from "./sim-history.ts";
import { type Keys, offerRows, richerHere, rowsBetween, tablesInOrder } from "./sim-offers.ts";
import { rowAs, rowsOf } from "./sim-rows.ts";
import { planOf, rowName, type SimStore } from "./sim-store.ts";

/** The part of the storage that reads and takes snapshots. */
export class SimSnapshots extends SimHistory {
  protected readonly committed: () => void;

  constructor(store: SimStore, parent: string | null, committed: () => void) {
    super(store, parent);
    this.committed = committed;
  }

  /** The true rows for what a refused or merged commit touched. */
  protected truthOf(tenant: string, changes: readonly Change[]): readonly Change[] {
    return changes.flatMap((change) => rowsOf(this.store, tenant, change.table, rowKeys(change, planOf(change.table))));
  }

  async readSnapshot(
    grant: Grant,
    tenant: string,
    cursor: SnapshotCursor | null,
    bytesMax: number,
  ): Promise<SnapshotChunk | null> {
    if (tenant !== grant.tenant && tenant !== sharedTenant) throw new HayloftError("refused-scope", { tenant });
    for (let tableIndex = cursor?.tableIndex ?? 0; tableIndex < tablesInOrder.length; tableIndex += 1) {
      const table = tablesInOrder[tableIndex];
      if (table === undefined) break;
      const afterKey = tableIndex === cursor?.tableIndex ? (cursor.afterKey?.[0] ?? null) : null;
      const chunk = this.page(tenant, table, tableIndex, afterKey, Math.max(1, Math.floor(bytesMax / 100)));
      if (chunk !== null) return chunk;
    }
    // An empty page at the end says that the parent has no more, so that a child sees what is missing there.
    const lastTable = tablesInOrder.length;
    const table = tablesInOrder.at(-1);
    if (table === undefined || cursor?.tableIndex === lastTable) return null;
    const change = { table, op: "insert", columns: ["tenant_id", "id"], values: [[], []], rowCount: 0 } as const;
    return { tenant, change, stamps: null, next: { tableIndex: lastTable, afterKey: null } };
  }

  protected page(
    tenant: string,
    table: SimTable,
    tableIndex: number,
    afterKey: string | null,
    rowsMax: number,
  ): SnapshotChunk | null {
    const prefix = rowName(tenant, table, "");
    const plan = planOf(table);
    const keys = [...this.store.rows.keys()].filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length));
    const page = keys
      .filter((key) => afterKey === null || key > afterKey)
      .sort()
      .slice(0, rowsMax);
    const last = page.at(-1);
    if (last === undefined) return null;
    const states = page.map((key) => this.store.rows.get(prefix + key) ?? EMPTY_ROW);
    const columns = plan.cellColumns;
    const values = [
      page.map(() => tenant),
      page,
      ...columns.map((column) => states.map((state) => state.cells.get(column)?.value ?? null)),
    ];
    return {
      tenant,
      change: { table, op: "insert", columns: ["tenant_id", "id", ...columns], values, rowCount: page.length },
      stamps: states.map((state) => writeRowState(state, plan)),
      next: { tableIndex, afterKey: [last] },
    };
  }

  async applySnapshot(
    peer: string,
    chunks: readonly SnapshotChunk[],
    at: Cursor,
    _ownAfter?: number,
    other?: SnapshotPeer,
  ): Promise<void> {
    for (const chunk of chunks) this.#applyPage(peer, chunk, at, other?.offers === true);
    this.committed();
  }

  #applyPage(peer: string, chunk: SnapshotChunk, at: Cursor, offers: boolean): void {
    const { change, stamps, tenant, next } = chunk;
    const plan = planOf(change.table);
    const own = this.#unacknowledged(peer, tenant);
    const from = this.store.peer(peer, tenant).snapshot?.cursor ?? null;
    const there = rowKeys(change, plan);
    const missing = rowsBetween(this.store, tenant, from, next).map(({ table, keys }) => ({
      table,
      keys: table === change.table ? keys.filter((key) => !there.includes(key)) : keys,
    }));
    for (const [index, key] of rowKeys(change, plan).entries()) {
      const id = rowName(tenant, change.table, key);
      const incoming = readRowState(rowValues(change, index), stamps?.[index] ?? null, plan);
      const before = this.store.rows.get(id) ?? EMPTY_ROW;
      const joined = foldRow(plan, [key], before, incoming);
      this.store.rows.set(id, joined.state);
      this.store.raiseStamp(tenant, latestStamp(joined.state));
      // Whoever overwrites here what came, before the tail has brought its commit, has seen it, and the tail does not know that.
      this.store.cameWithout(
        change.table,
        key,
        { before, after: joined.state, incoming },
        this.#noteReplaced(joined.losers, own),
      );
    }
    this.store.peer(peer, tenant).snapshot = next === null ? null : { at, cursor: next };
    if (offers) this.#offer(peer, tenant, [...missing, richerHere(this.store, chunk)], statesOf(chunk));
  }

  /**
   * What we have more than a parent that was set back: rows as they are here, and of those that unsent work has touched, which goes up
   * anyway, what others did.
   */
  #offer(peer: string, tenant: string, of: readonly Keys[], there: ReadonlyMap<string, RowState>): void {
    const after = this.store.peer(peer, tenant).acknowledged?.position ?? 0;
    const unsent = this.store.log(tenant).entries.filter(({ position, via }) => position > after && via !== peer);
    const offered = touchedBy(unsent.flatMap(({ commit }) => (isOffer(commit) ? [commit] : [])));
    const work = unsent.flatMap(({ commit }) => (isOffer(commit) ? [] : [commit]));
    const touched = touchedBy(work);
    const isUnsent = (written: Stamp): boolean =>
      work.some(({ stamp, node }) => stamp === written.stamp && node === written.node);
    const rows = of.flatMap(({ table, keys }) =>
      keys.flatMap((key) => {
        const name = `${table} ${key}`;
        if (offered.has(name)) return [];
        if (!touched.has(name)) return rowsOf(this.store, tenant, table, [key]);
        const plan = planOf(table);
        const others = withoutWrites(this.store.rows.get(rowName(tenant, table, key)) ?? EMPTY_ROW, isUnsent, plan);
        return !plan.merges || covers(there.get(name) ?? EMPTY_ROW, others, plan) ? [] : [rowAs(tenant, table, key, others)];
      }),
    );
    offerRows(this.store, tenant, rows, this.store.node);
  }

  /** Of what a page replaces only our own work certainly lost that the parent had not seen. Returns the names of these writes. */
  #noteReplaced(losers: readonly Loser[], own: readonly Commit[]): ReadonlySet<string> {
    const book = new LossBook();
    const noted = new Set<string>();
    for (const loser of losers.filter(({ lost }) => lost === "existing")) {
      const commit = own.find(({ stamp, node }) => stamp === loser.loser.stamp && node === loser.loser.node);
      if (commit === undefined) continue;
      book.lose(commit, loser);
      noted.add(writeName(writeOfLoser(loser)));
    }
    this.store.journal.take(book);
    return noted;
  }

  #unacknowledged(peer: string, tenant: string): readonly Commit[] {
    const after = this.store.peer(peer, tenant).acknowledged?.position ?? 0;
    return this.store
      .log(tenant)
      .entries.flatMap(({ position, via, commit }) => (via === null && position > after ? [commit] : []));
  }

  async unfinishedSnapshot(peer: string, tenant: string): Promise<UnfinishedSnapshot | null> {
    const { snapshot } = this.store.peer(peer, tenant);
    return snapshot === null ? null : { ...snapshot, tables: null };
  }

  async finishSnapshot(peer: string, at: Cursor): Promise<void> {
    const mark = this.store.peer(peer, at.tenant);
    mark.snapshot = null;
    mark.received = at;
    for (const name of this.store.journal.entries().keys()) this.store.unknownBySnapshot.add(name);
    if (this.store.tier === "edge") this.store.markFilled(at.tenant, peer);
    this.committed();
  }
}

const touchedBy = (commits: readonly Commit[]): ReadonlySet<string> =>
  new Set(
    commits.flatMap(({ changes }) =>
      changes.flatMap((change) => rowKeys(change, planOf(change.table)).map((key) => `${change.table} ${key}`)),
    ),
  );

function statesOf({ change, stamps }: SnapshotChunk): ReadonlyMap<string, RowState> {
  const plan = planOf(change.table);
  return new Map(
    rowKeys(change, plan).map((key, index) => [
      `${change.table} ${key}`,
      readRowState(rowValues(change, index), stamps?.[index] ?? null, plan),
    ]),
  );
}
