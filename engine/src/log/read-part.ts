import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { liftStored } from "../apply/lift-commits.ts";
import { changeBody, changeDigest } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { rowKeys } from "../merge/row-change.ts";
import { PART_BYTES, PART_ROWS, partDigest } from "../protocol/commit-parts.ts";
import type { LogPart, ReadPartRequest } from "../replica/replica-storage.ts";
import { hideOrphans } from "../scope/hide-orphans.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { changeOfRow, COMMIT_COLUMNS, type ChangeRow, commitOfRow, type CommitRow } from "./commit-row.ts";
import { visibleChanges, withoutRows } from "./filter-commit.ts";
import { type Direction, directionOf, markAt, readHead } from "./read-log.ts";
import { shownChanges } from "./shown-changes.ts";

interface Batch {
  readonly changes: readonly Change[];
  /** The ordinal of the last change that was looked at. */
  readonly ordinal: number;
  readonly last: boolean;
}

/** Reads the next changes of one commit for a peer; `ReplicaStorage.readPart` says what holds. */
export async function readPart(database: Database, env: ReplicaEnvironment, request: ReadPartRequest): Promise<LogPart> {
  const direction = directionOf(env, request);
  return await database.transaction(
    async (tx) => {
      const { tenant, position, after } = request;
      const head = await readHead(tx, request, position - 1);
      const { rows } = await tx.query<CommitRow>(
        `select ${COMMIT_COLUMNS} from hayloft.commit where tenant_id = $1 and position = $2`,
        [tenant, position],
      );
      const [row] = rows;
      if (head === null || row === undefined) throw new HayloftError("behind-horizon", { tenant, position });
      const visibleOf = async (changes: readonly Change[]): Promise<readonly Change[]> =>
        await visibleTo(tx, env, direction, commitOfRow(tenant, row, changes));
      const place = { tenant, txn: row.txn, version: row.catalog_version, after: after?.ordinal ?? 0 };
      const batch = await readVisible(tx, env, direction, place, visibleOf);
      const catalogVersion = direction.reader?.version ?? row.catalog_version;
      const digests = batch.changes.map((change) => changeDigest(change, changeBody(change), env.sha256));
      const digest = partDigest(after?.digest ?? row.hash, digests, env.sha256);
      const marked =
        direction.reader === null ? {} : await markAt(tx, env, { tenant, incarnation: head.incarnation, position }, [row]);
      return {
        ...marked,
        incarnation: head.incarnation,
        head: head.position,
        commit: { ...commitOfRow(tenant, row, batch.changes), catalogVersion },
        place: { ordinal: batch.ordinal, digest },
        last: batch.last,
      };
    },
    { isolation: "repeatable read", readOnly: true },
  );
}

interface Place {
  readonly tenant: string;
  readonly txn: number;
  /** The version of the catalog that the commit is written in. */
  readonly version: number;
  readonly after: number;
}

/** What of the changes the peer may see, in the present version of the catalog; towards the parent as they are. */
async function visibleTo(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { reader }: Direction,
  commit: Commit,
): Promise<readonly Change[]> {
  if (reader === null) return commit.changes;
  const logged = { version: commit.catalogVersion, changes: commit.changes };
  const shown = { ...commit, changes: await shownChanges(tx, env, logged, reader) };
  const left = reader.scoped ? await hideOrphans(tx, env.plans, reader.grant, [shown]) : [shown];
  return left.flatMap(({ changes }) => changes);
}

/** The next changes that the peer may see, at least one unless the commit ends. */
async function readVisible(
  tx: SqlSession,
  env: ReplicaEnvironment,
  direction: Direction,
  place: Place,
  visibleOf: (changes: readonly Change[]) => Promise<readonly Change[]>,
): Promise<Batch> {
  let batch = await readBatch(tx, direction, place);
  const { reader } = direction;
  if (reader === null) return batch;
  for (;;) {
    const { ordinal, last } = batch;
    const shown = await visibleOf(batch.changes);
    const left = last ? shown : await withoutShownLater(tx, env, direction, { ...place, after: ordinal }, shown);
    const changes = env.lens.lower(reader.version, left);
    if (changes.length > 0 || last) return { changes, ordinal, last };
    batch = await readBatch(tx, direction, { ...place, after: ordinal });
  }
}

/** Changes from a place on, as many as make a part: by what they take in the log, and at least one. */
async function readBatch(tx: SqlSession, { tables }: Direction, { tenant, txn, after }: Place): Promise<Batch> {
  const { rows } = await tx.query<ChangeRow & { ordinal: number; more: boolean }>(
    `select txn, table_name, op, columns, row_count, body, ordinal, more from (
      select txn, table_name, op, columns, row_count, body, ordinal, row_number() over places as place,
        sum(octet_length(body)) over places as bytes, sum(row_count) over places as rows, lead(ordinal) over places is not null as more
      from hayloft.change
      where tenant_id = $1 and txn = $2 and ordinal > $3 and ($4::text[] is null or table_name = any($4::text[]))
      window places as (order by ordinal)) c
    where place = 1 or (bytes <= $5 and rows <= $6) order by ordinal`,
    [tenant, txn, after, tables === null ? null : [...tables], PART_BYTES, PART_ROWS],
  );
  const end = rows.at(-1);
  return { changes: rows.map(changeOfRow), ordinal: end?.ordinal ?? after, last: end?.more !== true };
}

/** Evictions without the rows that a later change of the commit still shows. */
async function withoutShownLater(
  tx: SqlSession,
  env: ReplicaEnvironment,
  direction: Direction,
  place: Place,
  changes: readonly Change[],
): Promise<readonly Change[]> {
  const evicted = new Map<string, Set<string>>();
  for (const change of changes) {
    const plan = env.plans.get(change.table);
    if (change.op !== "evict" || plan === undefined) continue;
    const keys = evicted.get(change.table) ?? new Set<string>();
    evicted.set(change.table, keys);
    for (const key of rowKeys(change, plan)) keys.add(key);
  }
  const { reader } = direction;
  if (evicted.size === 0 || reader === null) return changes;
  const shown = new Map([...evicted.keys()].map((table) => [table, new Set<string>()]));
  const tables = new Set([...evicted.keys()].flatMap((table) => env.lens.namesOf(table)));
  for (let after = place.after, last = false; !last;) {
    const batch = await readBatch(tx, { ...direction, tables }, { ...place, after });
    const lifted = liftStored(env.lens, place.version, batch.changes);
    for (const change of visibleChanges(lifted, env.plans, reader.grant, reader.scoped)) {
      const plan = env.plans.get(change.table);
      if (change.op === "evict" || plan === undefined) continue;
      for (const key of rowKeys(change, plan)) if (evicted.get(change.table)?.has(key)) shown.get(change.table)?.add(key);
    }
    ({ last, ordinal: after } = batch);
  }
  return changes.flatMap((change) => {
    const plan = env.plans.get(change.table);
    const keys = shown.get(change.table);
    return change.op !== "evict" || plan === undefined || keys === undefined ? [change] : withoutRows(change, plan, keys);
  });
}
