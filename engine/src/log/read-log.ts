import { type ReplicaEnvironment, tablesSentTo } from "../apply/apply-environment.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { isOffered, withoutOffer } from "../incarnation/offered-change.ts";
import { markOf } from "../incarnation/position-mark.ts";
import { PART_BYTES, PART_ROWS } from "../protocol/commit-parts.ts";
import type { LogHead, ReadLogRequest, ReadSlice } from "../replica/replica-storage.ts";
import { hideOrphans } from "../scope/hide-orphans.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { COMMIT_COLUMNS, changeOfRow, type ChangeRow, commitOfRow, type CommitRow } from "./commit-row.ts";
import { type Reader, shownChanges } from "./shown-changes.ts";

/** Commits looked at by one read, whether they are for the peer or not. */
const COMMITS_MAX = 2_000;

/** What of the log goes to the peer. */
export interface Direction {
  /** Tables whose changes are read, by all the names they had; null: all. */
  readonly tables: ReadonlySet<string> | null;
  /** The child that reads; null towards the parent, which gets everything as its author sealed it. */
  readonly reader: Reader | null;
}

/** Reads the next part of a tenant's log for a peer; `ReplicaStorage.readLog` says what holds. */
export async function readLog(database: Database, env: ReplicaEnvironment, request: ReadLogRequest): Promise<ReadSlice> {
  const direction = directionOf(env, request);
  return await database.transaction(async (tx) => await readSlice(tx, env, request, direction), {
    isolation: "repeatable read",
    readOnly: true,
  });
}

export function directionOf(
  env: ReplicaEnvironment,
  {
    towards,
    grant,
    tenant,
    peerVersion = env.lens.version,
  }: Pick<ReadLogRequest, "towards" | "grant" | "tenant" | "peerVersion">,
): Direction {
  if (towards === "up") return { tables: null, reader: null };
  const shared = tenant === env.catalog.sharedTenant;
  if (grant === null || (grant.tenant !== tenant && !shared)) throw new HayloftError("refused-scope", { tenant });
  const tables = [...tablesSentTo(env.catalog, grant.tier)].flatMap((table) => env.lens.namesOf(table));
  return { tables: new Set(tables), reader: { tenant, grant, scoped: !shared, version: peerVersion } };
}

async function readSlice(
  tx: SqlSession,
  env: ReplicaEnvironment,
  request: ReadLogRequest,
  direction: Direction,
): Promise<ReadSlice> {
  const { tenant, after, peer } = request;
  const head = await readHead(tx, request, after);
  if (head === null) return { tenant, incarnation: "", after, upTo: after, head: 0, commits: [] };
  const read = await tx.query<CommitRow>(
    `select ${COMMIT_COLUMNS} from hayloft.commit where tenant_id = $1 and position > $2 order by position limit $3`,
    [tenant, after, Math.max(1, Math.min(request.rowsMax, COMMITS_MAX))],
  );
  const { rows, upTo, large } = withinLimits(read.rows, request);
  const wanted = rows.filter((row) => row.via !== peer);
  const changes = await readChanges(tx, tenant, wanted, direction.tables);
  const { reader } = direction;
  if (reader === null) {
    const commits = wanted.map((row) => commitOfRow(tenant, row, changes.get(row.txn) ?? []));
    const slice = { tenant, incarnation: head.incarnation, after, upTo: upTo ?? after, head: head.position, commits };
    return large === null ? slice : { ...slice, large };
  }
  const shown: Commit[] = [];
  for (const row of wanted) {
    const logged = { version: row.catalog_version, changes: offeredTo(env, row, changes.get(row.txn) ?? []) };
    const left = await shownChanges(tx, env, logged, reader);
    if (left.length > 0) shown.push(commitOfRow(tenant, row, left));
  }
  const visible = reader.scoped ? await hideOrphans(tx, env.plans, reader.grant, shown) : shown;
  const commits = visible.flatMap((commit): Commit[] => {
    const lowered = env.lens.lower(reader.version, commit.changes);
    return lowered.length === 0 ? [] : [{ ...commit, catalogVersion: reader.version, changes: lowered }];
  });
  const place = { tenant, incarnation: head.incarnation, position: upTo ?? after };
  const slice = { ...place, after, upTo: place.position, head: head.position, commits, ...(await markAt(tx, env, place, rows)) };
  return large === null ? slice : { ...slice, large };
}

/** What was offered here is news to children; what we offer ourselves they have from us. */
const offeredTo = (env: ReplicaEnvironment, row: CommitRow, changes: readonly Change[]): readonly Change[] =>
  changes.flatMap((change) => {
    if (!isOffered(change)) return [change];
    return row.via === env.nodeId ? [] : [withoutOffer(change)];
  });

/** What we say to a child of a position; nothing at the beginning of the log, and where the commit was pruned. */
export async function markAt(
  tx: SqlSession,
  { markKey }: ReplicaEnvironment,
  place: Pick<LogHead, "tenant" | "incarnation" | "position">,
  known: readonly Pick<CommitRow, "position" | "hash">[],
): Promise<{ readonly mark?: Uint8Array }> {
  if (markKey === null) return {};
  const read = known.find(({ position }) => position === place.position)?.hash;
  const hash = read ?? (await hashAt(tx, place.tenant, place.position));
  return hash === null ? {} : { mark: markOf(markKey, place, hash) };
}

/** The hash of the commit at a position of our log; null where there is none. */
export async function hashAt(tx: SqlSession, tenant: string, position: number): Promise<Uint8Array | null> {
  const { rows } = await tx.query<{ hash: Uint8Array }>(
    `select hash from hayloft.commit where tenant_id = $1 and position = $2`,
    [tenant, position],
  );
  return rows[0]?.hash ?? null;
}

/** The end of the log; null when there is none. Throws `behind-horizon` when commits after `after` are gone. */
export async function readHead(
  tx: SqlSession,
  { tenant, towards }: Pick<ReadLogRequest, "tenant" | "towards">,
  after: number,
): Promise<{ readonly incarnation: string; readonly position: number } | null> {
  const { rows } = await tx.query<{ incarnation: string; position: number; pruned_position: number; filled_position: number }>(
    `select incarnation, position, pruned_position, filled_position from hayloft.head where tenant_id = $1`,
    [tenant],
  );
  const [head] = rows;
  if (head === undefined) return null;
  // What came by a snapshot is in no commit: a child that is not as far has to take one too.
  const horizon = towards === "down" ? Math.max(head.pruned_position, head.filled_position) : head.pruned_position;
  if (after < horizon) throw new HayloftError("behind-horizon", { tenant, position: after, horizon });
  return head;
}

/** The rows up to the limits, at least one of those that are for the peer, and none that travels in parts. */
function withinLimits(
  rows: readonly CommitRow[],
  { peer, bytesMax, rowsMax }: ReadLogRequest,
): { readonly rows: readonly CommitRow[]; readonly upTo: number | undefined; readonly large: number | null } {
  let bytes = 0;
  let count = 0;
  for (const [index, row] of rows.entries()) {
    if (row.via === peer) continue;
    if (row.byte_count > PART_BYTES || row.row_count > PART_ROWS) {
      return { rows: rows.slice(0, index), upTo: row.position - 1, large: row.position };
    }
    bytes += row.byte_count;
    count += row.row_count;
    if (count > row.row_count && (bytes > bytesMax || count > rowsMax)) {
      return { rows: rows.slice(0, index), upTo: rows[index - 1]?.position, large: null };
    }
  }
  return { rows, upTo: rows.at(-1)?.position, large: null };
}

async function readChanges(
  tx: SqlSession,
  tenant: string,
  commits: readonly CommitRow[],
  tables: ReadonlySet<string> | null,
): Promise<ReadonlyMap<number, readonly Change[]>> {
  const byTxn = new Map<number, Change[]>();
  if (commits.length === 0) return byTxn;
  const { rows } = await tx.query<ChangeRow>(
    `select txn, table_name, op, columns, row_count, body from hayloft.change
    where tenant_id = $1 and txn = any($2::bigint[]) and ($3::text[] is null or table_name = any($3::text[])) order by txn, ordinal`,
    [tenant, commits.map((row) => row.txn), tables === null ? null : [...tables]],
  );
  for (const row of rows) {
    const change = changeOfRow(row);
    const list = byTxn.get(row.txn);
    if (list === undefined) byTxn.set(row.txn, [change]);
    else list.push(change);
  }
  return byTxn;
}
