import { changeBody, changeDigest, sameBytes } from "../commit/commit-hash.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { partDigest } from "../protocol/commit-parts.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame-codec.ts";
import type { PartFrame } from "../protocol/frame.ts";
import { defaultLimits } from "../protocol/limits.ts";
import type { ApplyPartRequest, StagedCommit } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import type { ReplicaEnvironment } from "./apply-environment.ts";

/** Bytes that all children of a tenant may have staged together. */
const STAGED_TENANT_BYTES_MAX = 1_073_741_824;
/** A commit of which no part has come for so long gives way when the tenant's limit is reached. */
const STAGED_IDLE = "1 hour";

interface Totals {
  readonly digest: Uint8Array;
  readonly rows_total: number;
  readonly bytes_total: number;
}

/** Which commit of whose log. */
export interface StagedKey {
  readonly peer: string;
  readonly tenant: string;
  readonly position: number;
}

export const stagedKey = ({ peer, part }: ApplyPartRequest): StagedKey => ({
  peer,
  tenant: part.slice.tenant,
  position: part.slice.upTo,
});

/**
 * Stores one part behind those before it. Part 0 takes the place of whatever was stored of this log. Throws `sequence-gap`
 * when the part before is not there, `content-hash` when the running digest is another, and at a limit `frame-too-large` or,
 * for that of the tenant, `limit-reached`.
 */
export async function stagePart(tx: SqlSession, env: ReplicaEnvironment, request: ApplyPartRequest): Promise<void> {
  const { part } = request;
  const key = stagedKey(request);
  const [commit] = part.slice.commits;
  if (commit === undefined) throw new HayloftError("frame-invalid", { field: "slice.commits" });
  if (part.index === 0) await dropStaged(tx, key.peer, key.tenant);
  const before = part.index === 0 ? null : await totalsOf(tx, key, part);
  const digests = commit.changes.map((change) => changeDigest(change, changeBody(change), env.sha256));
  const digest = partDigest(before?.digest ?? commit.hash, digests, env.sha256);
  if (!sameBytes(digest, part.digest)) throw new HayloftError("content-hash", { part: part.index, position: key.position });
  const bytes = encodeFrame({ type: "part", ...part });
  const rows = (before?.rows_total ?? 0) + commit.changes.reduce((sum, change) => sum + Math.max(1, change.rowCount), 0);
  const total = (before?.bytes_total ?? 0) + bytes.length;
  checkLimits(part.index, rows, total);
  await checkTenantLimit(tx, key.tenant, bytes.length);
  await tx.query(
    `insert into hayloft.staged (peer, tenant_id, position, index, incarnation, digest, digests, rows_total, bytes_total, last, bytes)
    values ($1::uuid, $2, $3::bigint, $4::integer, $5::uuid, $6::bytea, $7::bytea, $8::bigint, $9::bigint, $10::boolean, $11::bytea)
    on conflict (peer, tenant_id, position, index) do update set incarnation = excluded.incarnation, digest = excluded.digest,
      digests = excluded.digests, rows_total = excluded.rows_total, bytes_total = excluded.bytes_total, last = excluded.last,
      bytes = excluded.bytes, staged_at = now()`,
    [
      key.peer,
      key.tenant,
      key.position,
      part.index,
      part.slice.incarnation,
      digest,
      joined(digests),
      rows,
      total,
      part.last,
      bytes,
    ],
  );
}

function joined(digests: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(digests.reduce((sum, digest) => sum + digest.length, 0));
  let at = 0;
  for (const digest of digests) {
    bytes.set(digest, at);
    at += digest.length;
  }
  return bytes;
}

async function totalsOf(tx: SqlSession, key: StagedKey, part: ApplyPartRequest["part"]): Promise<Totals> {
  const { rows } = await tx.query<Totals>(
    `select digest, rows_total, bytes_total from hayloft.staged
    where peer = $1::uuid and tenant_id = $2 and position = $3 and index = $4 and incarnation = $5::uuid and not last`,
    [key.peer, key.tenant, key.position, part.index - 1, part.slice.incarnation],
  );
  const [before] = rows;
  if (before === undefined) throw new HayloftError("sequence-gap", { part: part.index, position: key.position });
  return before;
}

function checkLimits(index: number, rows: number, bytes: number): void {
  const { commitPartsMax, commitRowsMax, commitBytesMax } = defaultLimits;
  const limits = {
    commitPartsMax: [index + 1, commitPartsMax],
    commitRowsMax: [rows, commitRowsMax],
    commitBytesMax: [bytes, commitBytesMax],
  };
  for (const [limit, [value = 0, max = 0]] of Object.entries(limits)) {
    if (value > max) throw new HayloftError("frame-too-large", { limit, max });
  }
}

/** Makes room by dropping what nobody goes on with, before it refuses. */
async function checkTenantLimit(tx: SqlSession, tenant: string, more: number): Promise<void> {
  const staged = async (): Promise<number> => {
    const { rows } = await tx.query<{ bytes: number }>(
      `select coalesce(sum(octet_length(bytes)), 0)::bigint as bytes from hayloft.staged where tenant_id = $1`,
      [tenant],
    );
    return rows[0]?.bytes ?? 0;
  };
  if ((await staged()) + more <= STAGED_TENANT_BYTES_MAX) return;
  await tx.query(
    `delete from hayloft.staged s where tenant_id = $1 and not exists (select 1 from hayloft.staged newer
      where newer.peer = s.peer and newer.tenant_id = s.tenant_id and newer.staged_at >= now() - interval '${STAGED_IDLE}')`,
    [tenant],
  );
  if ((await staged()) + more > STAGED_TENANT_BYTES_MAX) {
    throw new HayloftError("limit-reached", { limit: "stagedTenantBytesMax", max: STAGED_TENANT_BYTES_MAX });
  }
}

/** Forgets what is stored of a peer's log. */
export async function dropStaged(tx: SqlSession, peer: string, tenant: string): Promise<void> {
  await tx.query(`delete from hayloft.staged where peer = $1::uuid and tenant_id = $2`, [peer, tenant]);
}

/** The stored parts in order, one in memory at a time. Throws `content-hash` when one is of another commit. */
export async function* readStaged(tx: SqlSession, key: StagedKey): AsyncGenerator<PartFrame> {
  for (let index = 0; ; index += 1) {
    const { rows } = await tx.query<{ bytes: Uint8Array }>(
      `select bytes from hayloft.staged where peer = $1::uuid and tenant_id = $2 and position = $3 and index = $4`,
      [key.peer, key.tenant, key.position, index],
    );
    const [row] = rows;
    if (row === undefined) throw new HayloftError("sequence-gap", { part: index, position: key.position });
    const frame = decodeFrame(row.bytes);
    if (frame.type !== "part") throw new HayloftError("content-hash", { part: index, position: key.position });
    yield frame;
    if (frame.last) return;
  }
}

/** The digests of all changes of the stored commit, in order. */
export async function stagedDigests(tx: SqlSession, key: StagedKey): Promise<readonly Uint8Array[]> {
  const { rows } = await tx.query<{ digests: Uint8Array }>(
    `select digests from hayloft.staged where peer = $1::uuid and tenant_id = $2 and position = $3 order by index`,
    [key.peer, key.tenant, key.position],
  );
  return rows.flatMap(({ digests }) =>
    Array.from({ length: digests.length / 32 }, (_, index) => digests.subarray(index * 32, (index + 1) * 32)),
  );
}

/** What is stored of commits that are not complete, without a last part that was stored and not applied. */
export async function stagedCommits(session: SqlSession, peer: string): Promise<readonly StagedCommit[]> {
  const { rows } = await session.query<StagedCommit>(
    `select distinct on (tenant_id) tenant_id as tenant, incarnation, position, index + 1 as parts, digest
    from hayloft.staged where peer = $1::uuid and not last order by tenant_id, position desc, index desc`,
    [peer],
  );
  return rows;
}
