import type { Change, Commit, SnapshotChunk } from "@hayloft/engine";
import {
  asOffer,
  commitHash,
  EMPTY_ROW,
  firstPreviousHash,
  foldRow,
  hasEqualStamps,
  latestStamp,
  LossBook,
  readRowState,
  rowKeys,
  rowValues,
  sha256,
  stateOfChange,
  UNKNOWN_STAMP,
  withoutOffer,
  writeRowState,
} from "@hayloft/engine";
import { type SimTable, simTables } from "./sim-catalog.ts";
import { rowsOf } from "./sim-rows.ts";
import { planOf, rowName, type SimStore } from "./sim-store.ts";

export const tablesInOrder = Object.keys(simTables) as SimTable[];

/** Keys of one table. */
export interface Keys {
  readonly table: string;
  readonly keys: readonly string[];
}

/** Of our rows where a snapshot goes on: those in the order of its pages behind a place, up to another. */
export function rowsBetween(
  store: SimStore,
  tenant: string,
  from: SnapshotChunk["next"],
  to: SnapshotChunk["next"],
): readonly Keys[] {
  return tablesInOrder.map((table, index) => {
    const prefix = rowName(tenant, table, "");
    const isBehind = (place: SnapshotChunk["next"], key: string): boolean =>
      place !== null && (index < place.tableIndex || (index === place.tableIndex && key <= (place.afterKey?.[0] ?? "")));
    const keys = [...store.rows.keys()].flatMap((id) => (id.startsWith(prefix) ? [id.slice(prefix.length)] : []));
    return { table, keys: keys.filter((key) => !isBehind(from, key) && (to === null || isBehind(to, key))) };
  });
}

/** Rows of a page of which we know more than it says, after it was joined with ours. */
export function richerHere(store: SimStore, { tenant, change, stamps }: SnapshotChunk): Keys {
  const plan = planOf(change.table);
  const keys = rowKeys(change, plan).filter((key, index) => {
    const theirs = readRowState(rowValues(change, index), stamps?.[index] ?? null, plan);
    const here = store.rows.get(rowName(tenant, change.table, key));
    return plan.merges && here !== undefined && !hasEqualStamps(theirs, here);
  });
  return { table: change.table, keys };
}

/** Puts rows into our log, for the parent. `via` is where they came from: not sent back there. */
export function offerRows(store: SimStore, tenant: string, rows: readonly Change[], via: string): void {
  if (rows.length === 0) return;
  const changes = rows.map(asOffer);
  const log = store.log(tenant);
  const unhashed: Commit = {
    tenant,
    origin: store.newIncarnation(),
    seq: 1,
    stamp: log.stamp,
    node: store.node,
    tier: store.tier,
    author: null,
    catalogVersion: 1,
    previousHash: firstPreviousHash(),
    hash: firstPreviousHash(),
    changes,
  };
  store.append(log, { ...unhashed, hash: commitHash(unhashed, sha256) }, via);
}

/** Takes in what a child offers, and passes on what is another row now. Without a recovery a child offers only what it could write. */
export function applyOffer(store: SimStore, offer: Commit, peer: string, isRecovering: boolean): void {
  for (const offered of offer.changes) {
    const change = withoutOffer(offered);
    if (!isRecovering && !simTables[change.table as SimTable].writers.includes(offer.tier)) continue;
    const changed = rowKeys(change, planOf(change.table)).filter((key, row) => joinOffered(store, offer, { change, key, row }));
    offerRows(store, offer.tenant, rowsOf(store, offer.tenant, change.table, changed), peer);
  }
}

/** True when the row is another one now. */
function joinOffered(
  store: SimStore,
  offer: Commit,
  { change, key, row }: { readonly change: Change; readonly key: string; readonly row: number },
): boolean {
  const plan = planOf(change.table);
  const id = rowName(offer.tenant, change.table, key);
  const before = store.rows.get(id) ?? EMPTY_ROW;
  if (!plan.merges && before !== EMPTY_ROW) return false;
  const incoming = stateOfChange(change, row, UNKNOWN_STAMP, plan);
  const joined = foldRow(plan, [key], before, incoming, { seen: null, isTruth: true });
  const book = new LossBook();
  book.add(offer, joined, true);
  store.journal.take(book);
  store.cameWithout(change.table, key, { before, after: joined.state, incoming });
  store.rows.set(id, joined.state);
  store.raiseStamp(offer.tenant, latestStamp(joined.state));
  return before === EMPTY_ROW || writeRowState(before, plan) !== writeRowState(joined.state, plan);
}
