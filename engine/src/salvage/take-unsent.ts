import { platform } from "#platform";
import type { Catalog } from "../catalog/catalog.ts";
import { commitHash, commitHashOf, firstPreviousHash, HASH_BYTES, sameBytes } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { lockParents } from "../incarnation/begin-incarnation.ts";
import { COMMIT_COLUMNS, type CommitRow } from "../log/commit-row.ts";
import { hex } from "../log/keep-foreign.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { SqlReplicaStorage } from "../replica/sql-replica-storage.ts";
import { readGrantText } from "../scope/grant-text.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { readSalvage, type SalvagedCommit, type SalvageHeader } from "./salvage-file.ts";

export interface TakeOrder {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly node: string;
  readonly tier: string;
  /** What `saveUnsent` wrote. */
  readonly file: string;
}

/** What became of the commits of a file: they are in the log and go up, or they are held for a person to look at. */
export interface Taken {
  readonly own: number;
  readonly relayed: number;
  readonly held: number;
}

const BATCH = 100;
const sha256 = (input: string | Uint8Array): Uint8Array => platform.sha256(input);

/** An own commit's name in the damaged log, and its place among those of the file. */
interface FormerName {
  readonly origin: string;
  readonly seq: number;
  readonly fileSeq: number;
}

/**
 * Takes salvaged commits into a store that was filled from the parent and has no session: their rows are joined with what is there by the rules,
 * under the stamps that they had, and they stand in the log as unsent, this node's own under new names behind what it has. Called again with the same file, it
 * changes nothing. Throws `store-damaged` for a file that is not whole, and what `ReplicaStorage.apply` throws.
 */
export async function takeUnsent({ database, catalog, node, tier, file }: TakeOrder): Promise<Taken> {
  // Stamps from the future are given anew when the parent refuses them, as for all own commits.
  const limits = { clockAheadMsMax: Number.MAX_SAFE_INTEGER };
  const storage = new SqlReplicaStorage({ database, catalog, nodeId: node, tier, hasParent: true, sha256, limits });
  const names: FormerName[] = [];
  let header: SalvageHeader | null = null;
  let source: Source | null = null;
  let batch: SalvagedCommit[] = [];
  let before = firstPreviousHash();
  for await (const line of readSalvage(file)) {
    if ("header" in line) {
      header = line.header;
      source = await sourceOf(database, header, { node, tier });
    } else if ("commit" in line && header !== null && source !== null) {
      const { position, commit } = line;
      if (!sameBytes(commitHash(commit, sha256), commit.hash)) throw new HayloftError("store-damaged", { position });
      const own = commit.node === node;
      const named = own ? renamed(commit, header.id, names.length + 1, before) : commit;
      if (own) {
        before = named.hash;
        names.push({ origin: commit.origin, seq: commit.seq, fileSeq: names.length + 1 });
      }
      batch.push({ position, commit: named });
      if (batch.length < BATCH) continue;
      await applyBatch(storage, source, batch);
      batch = [];
    }
  }
  if (header === null || source === null) throw new HayloftError("store-damaged", { file });
  if (batch.length > 0) await applyBatch(storage, source, batch);
  return await adopt(database, source, header.id, names);
}

/** The damaged store, as a copy of this node that has a name of its own. */
interface Source {
  readonly peer: string;
  readonly node: string;
  readonly tenant: string;
  readonly grant: Grant;
}

async function sourceOf(
  database: Database,
  { id, tenant }: SalvageHeader,
  { node, tier }: { readonly node: string; readonly tier: string },
): Promise<Source> {
  const { rows } = await database.query<{ granted: string }>(
    "select granted from hayloft.peer where tenant_id = $1 and relation = 'parent' and granted is not null limit 1",
    [tenant],
  );
  const granted = rows[0]?.granted;
  const grant = granted === undefined ? { tenant, tier, role: "", scopes: {} } : readGrantText(granted);
  return { peer: id, node, tenant, grant };
}

/** The commit in the chain that this node's commits of the file make. What it did, and when, stays. */
function renamed(commit: Commit, origin: string, seq: number, previousHash: Uint8Array): Commit {
  const header = { ...commit, origin, seq, previousHash };
  return { ...header, hash: commitHash(header, sha256) };
}

async function applyBatch(storage: SqlReplicaStorage, { peer, node, tenant, grant }: Source, batch: readonly SalvagedCommit[]) {
  const [first, last] = [batch[0]?.position ?? 0, batch.at(-1)?.position ?? 0];
  const commits = batch.map(({ commit }) => commit);
  const slice = { tenant, incarnation: peer, after: first - 1, upTo: last, head: last, commits };
  // The places between were the parent's commits, or are lost.
  const horizon = { tenant, incarnation: peer, position: first, seq: 0, hash: firstPreviousHash() };
  await storage.apply({ peer, node, from: "child", grant, horizon, slice });
}

/**
 * Makes this node's commits of the file its own again: they get the next names of the present incarnation, in their order. Those that were
 * held become its own held ones. One transaction, so that no commit is ever in the log under half a name.
 */
async function adopt(
  database: Database,
  { peer, node, tenant }: Source,
  fileOrigin: string,
  names: readonly FormerName[],
): Promise<Taken> {
  return await database.transaction(async (tx) => {
    await lockParents(tx);
    const { rows } = await tx.query<CommitRow & { readonly digests: Uint8Array | null }>(
      `select ${COMMIT_COLUMNS}, (select string_agg(ch.digest, ''::bytea order by ch.ordinal) from hayloft.change ch
          where ch.tenant_id = c.tenant_id and ch.txn = c.txn) as digests
      from hayloft.commit c where tenant_id = $1 and via = $2::uuid order by position`,
      [tenant, peer],
    );
    const own = rows.filter((row) => row.node_id === node);
    await renameOwn(tx, tenant, own, { fileOrigin, names });
    await tx.query(
      `with taken as (
        update hayloft.quarantine set peer = null, retryable = false where tenant_id = $1 and peer = $2::uuid and node_id = $3::uuid
        returning origin, seq)
      update hayloft.quarantine_place p set own = true from taken t where p.tenant_id = $1 and p.origin = t.origin and p.seq = t.seq`,
      [tenant, peer, node],
    );
    await tx.query("delete from hayloft.peer where tenant_id = $1 and node_id = $2::uuid", [tenant, peer]);
    return await whatBecame(tx, tenant, peer);
  });
}

/** Says the same however often the file was taken in. */
async function whatBecame(tx: SqlSession, tenant: string, file: string): Promise<Taken> {
  const { rows } = await tx.query<Taken>(
    `select (select count(*)::integer from hayloft.reissued where tenant_id = $1 and origin = $2::uuid) as own,
      (select count(*)::integer from hayloft.commit where tenant_id = $1 and via = $2::uuid) as relayed,
      (select count(*)::integer from hayloft.quarantine where tenant_id = $1 and state = 'held' and $2::uuid in (peer, origin)) as held`,
    [tenant, file],
  );
  return rows[0] ?? { own: 0, relayed: 0, held: 0 };
}

async function renameOwn(
  tx: SqlSession,
  tenant: string,
  own: readonly (CommitRow & { readonly digests: Uint8Array | null })[],
  { fileOrigin, names }: { readonly fileOrigin: string; readonly names: readonly FormerName[] },
): Promise<void> {
  if (own.length === 0) return;
  const heads = await tx.query<{ incarnation: string; seq: number; hash: Uint8Array }>(
    "select incarnation, seq, hash from hayloft.lock_head($1)",
    [tenant],
  );
  const [head] = heads.rows;
  if (head === undefined) throw new HayloftError("internal-error", { tenant });
  const { incarnation: origin } = head;
  let before = head.hash;
  const chain = own.map((row, index) => {
    const header = { tenant, origin, seq: head.seq + index + 1, stamp: BigInt(row.stamp), node: row.node_id, author: row.author };
    const previousHash = before;
    before = commitHashOf({ ...header, catalogVersion: row.catalog_version, previousHash }, digestsOf(row.digests), sha256);
    return { position: row.position, fileSeq: row.seq, seq: header.seq, previousHash, hash: before };
  });
  await tx.query(
    `update hayloft.commit c set origin = $2::uuid, via = null, seq = n.seq, previous_hash = n.previous_hash, hash = n.hash
    from unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[]) as n (position, seq, previous_hash, hash)
    where c.tenant_id = $1 and c.position = n.position`,
    [
      tenant,
      origin,
      chain.map(({ position }) => position),
      chain.map(({ seq }) => seq),
      chain.map(({ previousHash }) => hex(previousHash)),
      chain.map(({ hash }) => hex(hash)),
    ],
  );
  await tx.query("update hayloft.head set seq = $2, hash = $3::bytea where tenant_id = $1", [
    tenant,
    chain.at(-1)?.seq ?? head.seq,
    hex(before),
  ]);
  await noteNames(tx, { tenant, origin, fileOrigin }, chain, names);
}

const digestsOf = (joined: Uint8Array | null): readonly Uint8Array[] =>
  Array.from({ length: (joined?.length ?? 0) / HASH_BYTES }, (_, index) =>
    (joined ?? new Uint8Array()).subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );

/** Who knows a commit by a name that it had finds it by that. */
async function noteNames(
  tx: SqlSession,
  { tenant, origin, fileOrigin }: { readonly tenant: string; readonly origin: string; readonly fileOrigin: string },
  chain: readonly { readonly fileSeq: number; readonly seq: number }[],
  names: readonly FormerName[],
): Promise<void> {
  const seqOf = new Map(chain.map(({ fileSeq, seq }) => [fileSeq, seq]));
  const known = names.flatMap((name) => {
    const seq = seqOf.get(name.fileSeq);
    return seq === undefined ? [] : [{ ...name, newSeq: seq }];
  });
  const origins = [...known.map((name) => name.origin), ...known.map(() => fileOrigin)];
  const seqs = [...known.map(({ seq }) => seq), ...known.map(({ fileSeq }) => fileSeq)];
  const newSeqs = [...known, ...known].map(({ newSeq }) => newSeq);
  await tx.query(
    `insert into hayloft.reissued (tenant_id, origin, seq, new_origin, new_seq)
    select $1, n.origin, n.seq, $2::uuid, n.new_seq from unnest($3::uuid[], $4::bigint[], $5::bigint[]) as n (origin, seq, new_seq)
    on conflict (tenant_id, origin, seq) do update set new_origin = excluded.new_origin, new_seq = excluded.new_seq`,
    [tenant, origin, origins, seqs, newSeqs],
  );
  await tx.query("select hayloft.rename_reissued($1, $2::uuid, $3::uuid)", [tenant, fileOrigin, origin]);
}
