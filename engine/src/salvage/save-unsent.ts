import { existsSync } from "node:fs";
import { commitHashHolds } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { isOffer } from "../incarnation/offered-change.ts";
import { changeOfRow, COMMIT_COLUMNS, type ChangeRow, commitOfRow, type CommitRow } from "../log/commit-row.ts";
import { DamagedStore } from "./damaged-store.ts";
import { readSalvage, SalvageWriter, type Salvaged } from "./salvage-file.ts";

export interface SaveOrder {
  /** The directory of the damaged store, which nobody has open. It is only read. */
  readonly dataDir: string;
  /** Where a copy of it is made that is removed again. */
  readonly scratch: string;
  /** The file that is written. */
  readonly file: string;
  readonly tenant: string;
  readonly node: string;
}

interface LogEnd {
  readonly incarnation: string;
  readonly position: number;
}

interface ParentPlace {
  readonly node: string;
  readonly incarnation: string | null;
  readonly position: number | null;
}

interface PlacedCommit {
  readonly place: string;
  readonly position: number;
  readonly txn: number;
  readonly via: string | null;
}

interface PlacedChange {
  readonly place: string;
  readonly txn: number;
  readonly ordinal: number;
}

const BATCH = 100;

/**
 * Writes what can be read of the commits that the parent has not acknowledged into a file: those of this node and those that it passes on, each
 * whole by its hash. When it resolves, the file is durable. Cut off, it begins anew; with the file there, it only reads what that says.
 */
export async function saveUnsent(order: SaveOrder): Promise<Salvaged> {
  if (existsSync(order.file)) return await salvagedIn(order.file);
  const store = await DamagedStore.copy(order.dataDir, order.scratch);
  try {
    return await write(store, order);
  } finally {
    await store.close();
  }
}

async function salvagedIn(file: string): Promise<Salvaged> {
  let salvaged: Salvaged = { commits: 0, rows: 0, broken: 0, missing: null };
  for await (const line of readSalvage(file)) if ("end" in line) salvaged = line.end;
  return salvaged;
}

async function write(store: DamagedStore, { file, tenant, node }: SaveOrder): Promise<Salvaged> {
  const end = (await store.read<LogEnd>("select incarnation, position from hayloft.head where tenant_id = $1", [tenant]))?.[0];
  const parent = (
    await store.read<ParentPlace>(
      `select node_id as node, acked_incarnation as incarnation, acked_position as position from hayloft.peer
      where tenant_id = $1 and relation = 'parent' order by last_contact_at desc nulls last limit 1`,
      [tenant],
    )
  )?.[0];
  // Without a word of what the parent has, all that the log holds goes up again, and is known there by its names.
  const after = end !== undefined && parent?.incarnation === end.incarnation ? (parent.position ?? 0) : 0;
  const placed = await store.scan<PlacedCommit>("hayloft.commit", "position, txn, via", "tenant_id = $1 and position > $2", [
    tenant,
    after,
  ]);
  const unsent = placed.filter(({ via }) => via === null || via !== parent?.node).toSorted((a, b) => a.position - b.position);
  const changes = await changePlaces(store, tenant, new Set(unsent.map(({ txn }) => txn)));
  const writer = await SalvageWriter.create(file, {
    format: 1,
    id: newId(),
    tenant,
    node,
    incarnation: end?.incarnation ?? null,
  });
  try {
    const counts = { commits: 0, rows: 0, broken: 0 };
    for (let from = 0; from < unsent.length; from += BATCH) {
      const some = unsent.slice(from, from + BATCH);
      for (const { position, commit } of await readWhole(store, tenant, some, changes)) {
        if (commit === null) counts.broken += 1;
        // An offer is no work of anybody: it says what the parent has lost, and the parent is what we begin anew from.
        else if (!isOffer(commit)) {
          counts.commits += 1;
          counts.rows += commit.changes.reduce((sum, change) => sum + change.rowCount, 0);
          await writer.add({ position, commit });
        }
      }
    }
    const found = new Set(placed.map(({ position }) => position)).size;
    const salvaged = { ...counts, missing: end === undefined ? null : Math.max(0, end.position - after - found) };
    await writer.end(salvaged);
    return salvaged;
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Where the changes of these transactions lie, in their order. */
async function changePlaces(
  store: DamagedStore,
  tenant: string,
  txns: ReadonlySet<number>,
): Promise<ReadonlyMap<number, readonly PlacedChange[]>> {
  const byTxn = new Map<number, PlacedChange[]>();
  if (txns.size === 0) return byTxn;
  const lowest = [...txns].reduce((least, txn) => Math.min(least, txn), Number.MAX_SAFE_INTEGER);
  const all = await store.scan<PlacedChange>("hayloft.change", "txn, ordinal", "tenant_id = $1 and txn >= $2", [tenant, lowest]);
  for (const change of all) {
    if (!txns.has(change.txn)) continue;
    const list = byTxn.get(change.txn);
    if (list === undefined) byTxn.set(change.txn, [change]);
    else list.push(change);
  }
  return byTxn;
}

interface Read {
  readonly position: number;
  /** Null: it is not what its author sealed, or not all of it. */
  readonly commit: Commit | null;
}

/** Reads commits with their changes; where they cannot be read together, one by one. */
async function readWhole(
  store: DamagedStore,
  tenant: string,
  placed: readonly PlacedCommit[],
  changes: ReadonlyMap<number, readonly PlacedChange[]>,
): Promise<readonly Read[]> {
  const places = placed.flatMap(({ txn }) => (changes.get(txn) ?? []).map(({ place }) => place));
  const heads = await store.read<CommitRow>(`select ${COMMIT_COLUMNS} from hayloft.commit where ctid = any($1::text[]::tid[])`, [
    placed.map(({ place }) => place),
  ]);
  const bodies = await store.read<ChangeRow & { readonly ordinal: number }>(
    `select txn, table_name, op, columns, row_count, body, ordinal from hayloft.change where ctid = any($1::text[]::tid[])`,
    [places],
  );
  if (heads === null || bodies === null) {
    if (placed.length <= 1) return placed.map(({ position }) => ({ position, commit: null }));
    const read: Read[] = [];
    for (const one of placed) read.push(...(await readWhole(store, tenant, [one], changes)));
    return read;
  }
  return placed.map(({ position, txn }) => {
    const head = heads.find((row) => row.position === position && row.txn === txn);
    const own = bodies.filter((row) => row.txn === txn).toSorted((a, b) => a.ordinal - b.ordinal);
    return { position, commit: head === undefined ? null : sealed(tenant, head, own) };
  });
}

/** The commit, if it is what its author sealed. */
function sealed(tenant: string, head: CommitRow, changes: readonly ChangeRow[]): Commit | null {
  try {
    const commit = commitOfRow(tenant, head, changes.map(changeOfRow));
    return commitHashHolds(commit) ? commit : null;
  } catch {
    // A body that is no JSON any more.
    return null;
  }
}
