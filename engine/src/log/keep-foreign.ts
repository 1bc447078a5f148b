import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { liftStored } from "../apply/lift-commits.ts";
import { utf8Length } from "../commit/changes-bytes.ts";
import { sealedChange } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { SqlSession } from "../store/database.ts";

interface Kept {
  readonly commit: Commit;
  readonly changes: readonly Change[];
}

/** True when all of a commit is needed, even if it has no changes. */
const needsAll = (env: ReplicaEnvironment, from: "child" | "parent"): boolean => from === "child" && env.hasParent;

/** What of the foreign commits somebody may still need: all of a child's when we have a parent, else what flows down. */
function neededCommits(env: ReplicaEnvironment, from: "child" | "parent", commits: readonly Commit[]): readonly Kept[] {
  if (needsAll(env, from)) return commits.map((commit) => ({ commit, changes: commit.changes }));
  if (env.sentDown.size === 0) return [];
  return commits.flatMap((commit) => {
    const changes = commit.changes.filter((change) => isSentDown(env, commit.catalogVersion, change));
    return changes.length === 0 ? [] : [{ commit, changes }];
  });
}

const presentTables = (env: ReplicaEnvironment, version: number, change: Change): readonly string[] =>
  liftStored(env.lens, version, [change]).map(({ table }) => table);

const isSentDown = (env: ReplicaEnvironment, version: number, change: Change): boolean =>
  presentTables(env, version, change).some((table) => env.sentDown.has(table));

/**
 * Puts applied foreign commits into our own log, behind what is there, and raises the head's stamp to at least theirs, so
 * that what is written here from now on is later. The log keeps what the author sealed, in the author's version of the catalog.
 * Takes the head lock: call it after the rows were written.
 */
export async function keepForeign(
  tx: SqlSession,
  env: ReplicaEnvironment,
  origin: ForeignOrigin,
  commits: readonly Commit[],
): Promise<void> {
  if (commits.length === 0) return;
  const { tenant } = origin;
  const kept = neededCommits(env, origin.from, commits);
  const highest = commits.reduce((most, commit) => (commit.stamp > most ? commit.stamp : most), 0n);
  if (kept.length === 0) {
    await raiseStamp(tx, tenant, highest);
    return;
  }
  const txns = await nextTxns(tx, kept.length);
  const bytes = await insertChanges(tx, env, tenant, kept, txns, 0);
  const placed = kept.map(({ commit, changes }, index) => ({
    commit,
    txn: txns[index] ?? 0,
    rows: rowsOf(changes),
    bytes: bytes[index] ?? 0,
    lane: laneOf(env, commit.catalogVersion, changes),
  }));
  await placeCommits(tx, origin, placed, highest);
}

/** Where foreign commits come from. */
interface ForeignOrigin {
  readonly peer: string;
  readonly from: "child" | "parent";
  readonly tenant: string;
}

/** A foreign commit with what the log says about its changes. */
interface Placed {
  readonly commit: Commit;
  readonly txn: number;
  readonly rows: number;
  readonly bytes: number;
  readonly lane: number;
}

const rowsOf = (changes: readonly Change[]): number => changes.reduce((sum, change) => sum + change.rowCount, 0);

function laneOf(env: ReplicaEnvironment, version: number, changes: readonly Change[]): number {
  const tables = changes.flatMap((change) => presentTables(env, version, change));
  return Math.min(3, ...tables.map((table) => env.plans.get(table)?.table.lane ?? 3));
}

async function nextTxns(tx: SqlSession, count: number): Promise<readonly number[]> {
  const { rows } = await tx.query<{ txn: number }>(`select nextval('hayloft.txn') as txn from generate_series(1, $1::integer)`, [
    count,
  ]);
  return rows.map((row) => row.txn);
}

/** Gives commits whose changes are stored their places behind the head. */
async function placeCommits(tx: SqlSession, origin: ForeignOrigin, placed: readonly Placed[], highest: bigint): Promise<void> {
  const { tenant } = origin;
  const { rows } = await tx.query<{ position: number }>(`select position from hayloft.lock_head($1)`, [tenant]);
  const start = rows[0]?.position ?? 0;
  await insertCommits(tx, origin, placed, start);
  await tx.query(`update hayloft.head set position = $2, stamp = greatest(stamp, $3::bigint) where tenant_id = $1`, [
    tenant,
    start + placed.length,
    highest,
  ]);
}

/** A large foreign commit on its way into our log, part by part. */
export class KeptParts {
  readonly #tx: SqlSession;
  readonly #env: ReplicaEnvironment;
  readonly #origin: ForeignOrigin;
  #txn = 0;
  #ordinal = 0;
  #rows = 0;
  #bytes = 0;
  #lane = 3;

  constructor(tx: SqlSession, env: ReplicaEnvironment, origin: ForeignOrigin) {
    this.#tx = tx;
    this.#env = env;
    this.#origin = origin;
  }

  /** Puts the part's changes behind those before it. */
  async add(part: Commit): Promise<void> {
    const kept = neededCommits(this.#env, this.#origin.from, [part]);
    const changes = kept[0]?.changes ?? [];
    if (changes.length === 0) return;
    if (this.#txn === 0) [this.#txn = 0] = await nextTxns(this.#tx, 1);
    const [bytes = 0] = await insertChanges(this.#tx, this.#env, this.#origin.tenant, kept, [this.#txn], this.#ordinal);
    this.#ordinal += changes.length;
    this.#rows += rowsOf(changes);
    this.#bytes += bytes;
    this.#lane = Math.min(this.#lane, laneOf(this.#env, part.catalogVersion, changes));
  }

  /** Gives the commit its place in the log, if anything of it is needed, and raises the head's stamp. */
  async end(commit: Commit): Promise<void> {
    const { tenant, from } = this.#origin;
    if (this.#ordinal === 0 && !needsAll(this.#env, from)) {
      await raiseStamp(this.#tx, tenant, commit.stamp);
      return;
    }
    if (this.#txn === 0) [this.#txn = 0] = await nextTxns(this.#tx, 1);
    const placed = { commit, txn: this.#txn, rows: this.#rows, bytes: this.#bytes, lane: this.#lane };
    await placeCommits(this.#tx, this.#origin, [placed], commit.stamp);
  }
}

/** Raises the head's stamp, so that what is written here from now on is later than `stamp`. */
export async function raiseStamp(tx: SqlSession, tenant: string, stamp: bigint): Promise<void> {
  await tx.query(
    `insert into hayloft.head as h (tenant_id, stamp) values ($1, $2::bigint)
    on conflict (tenant_id) do update set stamp = excluded.stamp where h.stamp < excluded.stamp`,
    [tenant, stamp],
  );
}

/** Returns the bytes of each commit's bodies. */
async function insertChanges(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  kept: readonly Kept[],
  txns: readonly number[],
  ordinalsBefore: number,
): Promise<readonly number[]> {
  const rows = kept.flatMap(({ changes }, index) =>
    changes.map((change, place) => ({ change, txn: txns[index] ?? 0, ordinal: ordinalsBefore + place + 1, index })),
  );
  const sealed = rows.map(({ change }) => sealedChange(change, env.sha256));
  const bytes = kept.map(() => 0);
  rows.forEach(({ index }, row) => (bytes[index] = (bytes[index] ?? 0) + utf8Length(sealed[row]?.body ?? "")));
  await tx.query(
    `insert into hayloft.change (tenant_id, txn, ordinal, table_name, op, columns, row_count, body, digest)
    select $1, txn, ordinal, table_name, op, columns, row_count, body, digest
    from unnest($2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::integer[], string_to_array($8, E'\\x1e'), $9::bytea[])
      as incoming (txn, ordinal, table_name, op, columns, row_count, body, digest)`,
    [
      tenant,
      rows.map(({ txn }) => txn),
      rows.map(({ ordinal }) => ordinal),
      rows.map(({ change }) => change.table),
      rows.map(({ change }) => change.op),
      rows.map(({ change }) => change.columns.join(",")),
      rows.map(({ change }) => change.rowCount),
      // In an array literal every quotation mark of the bodies would be escaped. JSON text holds no such separator.
      sealed.map(({ body }) => body).join("\u001e"),
      sealed.map(({ digest }) => hex(digest)),
    ],
  );
  return bytes;
}

async function insertCommits(
  tx: SqlSession,
  { peer, tenant }: ForeignOrigin,
  placed: readonly Placed[],
  start: number,
): Promise<void> {
  const commits = placed.map(({ commit }) => commit);
  await tx.query(
    `insert into hayloft.commit (tenant_id, via, position, txn, origin, seq, stamp, node_id, tier, author, catalog_version,
      previous_hash, hash, row_count, byte_count, lane)
    select $1, $2::uuid, incoming.* from unnest($3::bigint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::uuid[], $9::text[],
      $10::text[], $11::integer[], $12::bytea[], $13::bytea[], $14::integer[], $15::bigint[], $16::smallint[]) as incoming`,
    [
      tenant,
      peer,
      placed.map((_, index) => start + index + 1),
      placed.map(({ txn }) => txn),
      commits.map((commit) => commit.origin),
      commits.map((commit) => commit.seq),
      commits.map((commit) => commit.stamp),
      commits.map((commit) => commit.node),
      commits.map((commit) => commit.tier),
      commits.map((commit) => commit.author),
      commits.map((commit) => commit.catalogVersion),
      commits.map((commit) => hex(commit.previousHash)),
      commits.map((commit) => hex(commit.hash)),
      placed.map(({ rows }) => rows),
      placed.map(({ bytes }) => bytes),
      placed.map(({ lane }) => lane),
    ],
  );
}

/** Bytes as the text form of bytea, for array parameters. */
export const hex = (bytes: Uint8Array): string =>
  `\\x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
