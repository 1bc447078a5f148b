import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { changesBytes } from "../commit/changes-bytes.ts";
import { liftCommit } from "../apply/lift-commits.ts";
import { commitName, touchedKeys } from "../apply/commit-keys.ts";
import { readTruth } from "../apply/read-truth.ts";
import type { Change, Commit, Outcome } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { ChangeRow } from "../log/commit-row.ts";
import { liftRow } from "../log/walk-changes.ts";
import { sealedStampOf } from "../apply/restamp-relayed.ts";
import { asReplacement, takingBack } from "../merge/row-change.ts";
import { readHeld } from "../quarantine/held-commit.ts";
import { isWaiting } from "../quarantine/released-by.ts";
import type { CommitOutcome, Grant } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";

/**
 * Outcomes read in one go, and UTF-8 bytes of truth after which no further one is begun; the rest is told next. An outcome must
 * fit a frame: a commit whose truth alone is larger is told without it.
 */
export const OUTCOMES_MAX = 2_000;
const TRUTH_BYTES = 200_000;
/** Outcomes of before copies parted that one of them is told when it comes back. */
const OUTCOMES_OF_COPIES = 500;
const TRUTH_BYTES_MAX = 500_000;

export interface StoredOutcome {
  readonly outcome: Outcome;
  readonly code: ErrorCode | null;
  /** The child through which the commit came, which is told; null when there is nobody to tell. */
  readonly peer: string | null;
  /** The position of the acknowledgement that told it; null when that is still to come. */
  readonly toldPosition: number | null;
}

/** Stores what became of a commit; the latest word counts. */
export async function storeOutcome(
  tx: SqlSession,
  commit: Pick<Commit, "tenant" | "origin" | "seq">,
  stored: StoredOutcome,
): Promise<void> {
  await tx.query(
    `insert into hayloft.outcome (tenant_id, origin, seq, outcome, code, peer, told_position)
    values ($1, $2::uuid, $3::bigint, $4, $5, $6::uuid, $7::bigint)
    on conflict (tenant_id, origin, seq) do update
      set outcome = excluded.outcome, code = excluded.code, peer = excluded.peer, told_position = excluded.told_position, at = now()`,
    [commit.tenant, commit.origin, commit.seq, stored.outcome, stored.code, stored.peer, stored.toldPosition],
  );
}

/**
 * The outcomes that the child has to be told with the acknowledgement of this slice: new ones, those that came down from
 * above or out of quarantine, and those of an acknowledgement that it evidently never got, as it resumes before it. Of `duplicates`, which came on another way before,
 * the child is told what became of them then. A copy of a node that resumes is told the latest ones of the other copies, too, as
 * much as fits: they have commits in common. `areMore`: not all fit; an empty slice at the position received brings the next ones.
 */
export async function outcomesToTell(
  tx: SqlSession,
  env: ReplicaEnvironment,
  told: {
    readonly tenant: string;
    readonly peer: string;
    /** Whose commits they are: another name than the peer's when that is a copy. */
    readonly node: string;
    readonly grant: Grant | null;
    /** How far the child's log was here before, and from where it sends now. */
    readonly received: number;
    readonly after: number;
    /** What the acknowledgement will name: an earlier session may have stored more of the log than this one knows of. */
    readonly upTo: number;
    /** The child's version of the catalog. */
    readonly version: number;
  },
  commits: readonly Commit[],
  duplicates: readonly Commit[] = [],
): Promise<{ readonly outcomes: readonly CommitOutcome[]; readonly areMore: boolean }> {
  const { tenant, peer } = told;
  const { rows: due } = await tx.query<DueOutcome>(
    `select origin, seq, outcome, code from hayloft.outcome
    where tenant_id = $1 and ((peer = $2::uuid and (told_position is null or told_position > $3::bigint))
      or (peer is distinct from $2::uuid and (origin, seq) in (select * from unnest($5::uuid[], $6::bigint[])))) order by origin, seq limit $4`,
    [tenant, peer, told.after, OUTCOMES_MAX + 1, duplicates.map(({ origin }) => origin), duplicates.map(({ seq }) => seq)],
  );
  const isCopyBack = told.node !== peer && told.after < told.received;
  const shared = isCopyBack ? await outcomesOfCopies(tx, tenant, peer, told.node) : [];
  if (due.length + shared.length === 0) return { outcomes: [], areMore: false };
  // Those of a lost acknowledgement stand behind nobody: without a mark the next call finds what this one leaves.
  await tx.query(
    `update hayloft.outcome set told_position = null where tenant_id = $1 and peer = $2::uuid and told_position > $3::bigint`,
    [tenant, peer, told.after],
  );
  const known = new Map(commits.map((commit) => [commitName(commit), commit.changes]));
  const outcomes: CommitOutcome[] = [];
  let bytes = 0;
  for (const { origin, seq, outcome, code } of [...due.slice(0, OUTCOMES_MAX), ...shared]) {
    if (bytes > TRUTH_BYTES) break;
    const wantsTruth = tellsTruth(outcome, code);
    const changes =
      known.get(commitName({ origin, seq })) ?? (wantsTruth ? await storedChanges(tx, env, tenant, origin, seq) : []);
    const rows = wantsTruth ? await truthFor(tx, env, tenant, outcome, changes, told) : [];
    const sealed = code === "clock-ahead" ? await sealedStampOf(tx, tenant, { origin, seq }) : null;
    const truth = sealed === null ? rows : rows.map((change) => takingBack(change, sealed));
    const size = changesBytes(truth);
    if (size <= TRUTH_BYTES_MAX) bytes += size;
    outcomes.push({ origin, seq, outcome, code, truth: size > TRUTH_BYTES_MAX ? [] : truth });
  }
  await tx.query(
    `update hayloft.outcome as o set told_position = $2::bigint from unnest($3::uuid[], $4::bigint[]) as told (origin, seq)
    where o.tenant_id = $1 and o.peer = $5::uuid and o.origin = told.origin and o.seq = told.seq`,
    [tenant, told.upTo, outcomes.map(({ origin }) => origin), outcomes.map(({ seq }) => seq), peer],
  );
  return { outcomes, areMore: outcomes.length < due.length };
}

interface DueOutcome {
  readonly origin: string;
  readonly seq: number;
  readonly outcome: Outcome;
  readonly code: ErrorCode | null;
}

/** The latest outcomes under the other names of a node: each of its copies may have the commits of before they parted. */
async function outcomesOfCopies(tx: SqlSession, tenant: string, peer: string, node: string): Promise<readonly DueOutcome[]> {
  const { rows } = await tx.query<DueOutcome>(
    `select origin, seq, outcome, code from hayloft.outcome where tenant_id = $1 and peer <> $2::uuid and peer in (
      select $3::uuid union all select node_id from hayloft.peer where tenant_id = $1 and of_node = $3::uuid) order by at desc, origin, seq limit $4`,
    [tenant, peer, node, OUTCOMES_OF_COPIES],
  );
  return rows;
}

/**
 * Whether the author needs the rows as they are here: not while its commit only waits, or is newer than our catalog. A commit that
 * is applied after it was refused is told with them too, because its author has taken back what it wrote.
 */
function tellsTruth(outcome: Outcome, code: ErrorCode | null): boolean {
  return outcome !== "refused" || (code !== null && !isWaiting(code) && code !== "refused-schema");
}

/** The true rows for what the changes touched, as far as the grant allows; for `merged` only of tables that merge. */
async function truthFor(
  tx: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  outcome: Outcome,
  changes: readonly Change[],
  { grant, version }: { readonly grant: Grant | null; readonly version: number },
): Promise<readonly Change[]> {
  const truth: Change[] = [];
  for (const [plan, keys] of touchedKeys(changes, env.plans)) {
    const replaces = env.lens.ruleDiffers(version, plan.table.name);
    if (outcome === "merged" && !plan.merges && !replaces) continue;
    const rows = await readTruth(tx, plan, tenant, [...keys], grant);
    truth.push(...(replaces ? rows.map(asReplacement) : rows));
  }
  return env.lens.lower(version, truth);
}

/** The changes of a commit, from the log or from quarantine; empty when neither has it any more. */
async function storedChanges(
  session: SqlSession,
  env: ReplicaEnvironment,
  tenant: string,
  origin: string,
  seq: number,
): Promise<readonly Change[]> {
  const held = await readHeld(session, tenant, origin, seq);
  if (held !== null) return liftCommit(env.lens, held.commit)?.changes ?? [];
  const { rows } = await session.query<ChangeRow & { readonly catalog_version: number }>(
    `select ch.txn, ch.table_name, ch.op, ch.columns, ch.row_count, ch.body, c.catalog_version
    from hayloft.commit c join hayloft.change ch on ch.tenant_id = c.tenant_id and ch.txn = c.txn
    where c.tenant_id = $1 and c.origin = $2::uuid and c.seq = $3::bigint order by ch.ordinal`,
    [tenant, origin, seq],
  );
  return rows.flatMap((row) => liftRow(env, row));
}
