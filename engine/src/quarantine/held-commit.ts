import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { SqlSession } from "../store/database.ts";

/** A refused commit as `hayloft.quarantine` keeps it. */
export interface HeldCommit {
  readonly commit: Commit;
  readonly code: ErrorCode;
  /** True while it waits for a row that it refers to, and is applied by itself when that arrives. */
  readonly retryable: boolean;
  readonly heldAt: Date;
  /** The node through which it came; null when it is our own. */
  readonly peer: string | null;
}

interface HeldRow {
  readonly origin: string;
  readonly seq: number;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly held_at: Date;
  readonly peer: string | null;
  readonly changes: {
    readonly stamp: string;
    readonly node: string;
    readonly tier: string;
    readonly author: string | null;
    readonly catalogVersion: number;
    readonly previousHash: string;
    readonly hash: string;
    readonly changes: readonly Change[];
  };
}

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** JSON in Postgres holds neither NUL nor half a surrogate pair; the copy shows where they were. */
const storable = <T extends string | null>(text: T): T | string =>
  text?.replaceAll("\0", "\uFFFD").replaceAll(/\p{Surrogate}/gu, "\uFFFD") ?? text;

const storableChange = (change: Change): Change => ({ ...change, values: change.values.map((vector) => vector.map(storable)) });

/** Sets commits aside, whole. A commit that is already there gets the new reason. */
export async function holdCommits(
  tx: SqlSession,
  tenant: string,
  held: readonly { readonly commit: Commit; readonly code: ErrorCode; readonly retryable: boolean }[],
  peer: string | null,
): Promise<void> {
  for (const { commit, code, retryable } of held) {
    const { stamp, node, tier, author, catalogVersion, changes } = commit;
    const header = {
      stamp: stamp.toString(),
      node,
      tier,
      author: storable(author),
      catalogVersion,
      previousHash: toHex(commit.previousHash),
      hash: toHex(commit.hash),
    };
    await tx.query(
      `insert into hayloft.quarantine (tenant_id, origin, seq, code, retryable, changes, peer)
      values ($1, $2::uuid, $3::bigint, $4, $5::boolean, $6::jsonb, $7::uuid)
      on conflict (tenant_id, origin, seq) do update set code = excluded.code, retryable = excluded.retryable`,
      [
        tenant,
        commit.origin,
        commit.seq,
        code,
        retryable,
        JSON.stringify({ ...header, changes: changes.map(storableChange) }),
        peer,
      ],
    );
  }
}

function heldOfRow(tenant: string, row: HeldRow): HeldCommit {
  const { origin, seq, code, retryable, changes: stored } = row;
  const { stamp, previousHash, hash, ...rest } = stored;
  const commit: Commit = {
    tenant,
    origin,
    seq,
    ...rest,
    stamp: BigInt(stamp),
    previousHash: fromHex(previousHash),
    hash: fromHex(hash),
  };
  return { commit, code, retryable, heldAt: row.held_at, peer: row.peer };
}

/** Commits set aside in a tenant, in the order in which their origins wrote them; 1,000 unless told, all with `null`. */
export async function listQuarantine(
  session: SqlSession,
  tenant: string,
  filter: { readonly retryable?: boolean; readonly origin?: string; readonly limit?: number | null } = {},
): Promise<readonly HeldCommit[]> {
  const { rows } = await session.query<HeldRow>(
    `select origin, seq, code, retryable, held_at, peer, changes from hayloft.quarantine
    where tenant_id = $1 and ($2::boolean is null or retryable = $2::boolean) and ($4::uuid is null or origin = $4::uuid)
    order by origin, seq limit $3`,
    [tenant, filter.retryable ?? null, filter.limit === undefined ? 1_000 : filter.limit, filter.origin ?? null],
  );
  return rows.map((row) => heldOfRow(tenant, row));
}

/** Commits that wait for a row, in the order in which their origins wrote them, after a place. */
export async function heldAfter(
  session: SqlSession,
  tenant: string,
  place: { readonly origin: string; readonly seq: number } | null,
  limit: number,
): Promise<readonly HeldCommit[]> {
  const { rows } = await session.query<HeldRow>(
    `select origin, seq, code, retryable, held_at, peer, changes from hayloft.quarantine
    where tenant_id = $1 and retryable and ($2::uuid is null or (origin, seq) > ($2::uuid, $3::bigint)) order by origin, seq limit $4`,
    [tenant, place?.origin ?? null, place?.seq ?? null, limit],
  );
  return rows.map((row) => heldOfRow(tenant, row));
}

/** The origins of which commits wait for a row. */
export async function waitingOrigins(session: SqlSession, tenant: string): Promise<ReadonlySet<string>> {
  const { rows } = await session.query<{ origin: string }>(
    `select distinct origin from hayloft.quarantine where tenant_id = $1 and retryable`,
    [tenant],
  );
  return new Set(rows.map(({ origin }) => origin));
}

/** One commit set aside, or null. */
export async function readHeld(session: SqlSession, tenant: string, origin: string, seq: number): Promise<HeldCommit | null> {
  const { rows } = await session.query<HeldRow>(
    `select origin, seq, code, retryable, held_at, peer, changes from hayloft.quarantine where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`,
    [tenant, origin, seq],
  );
  const [row] = rows;
  return row === undefined ? null : heldOfRow(tenant, row);
}

export async function dropHeld(tx: SqlSession, tenant: string, origin: string, seq: number): Promise<void> {
  await tx.query(`delete from hayloft.quarantine where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`, [
    tenant,
    origin,
    seq,
  ]);
}
