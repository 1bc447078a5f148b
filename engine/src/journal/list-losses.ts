import type { CellText } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { KEY_SEPARATOR } from "../merge/row-change.ts";
import type { SqlParameter, SqlSession } from "../store/database.ts";
import type { JournalEntry, JournalFilter, JournalPage, WrittenValue } from "./journal.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const CURSOR_PATTERN = /^(\d{1,19}) ([0-9a-f-]{36})$/;

export interface LossRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly table_name: string;
  readonly row_key: string;
  readonly column_name: string;
  readonly rule: string;
  readonly loser_value: CellText;
  readonly loser_stamp: string | null;
  readonly loser_node: string | null;
  readonly loser_tier: string | null;
  readonly loser_author: string | null;
  readonly loser_origin: string | null;
  readonly loser_seq: number | null;
  readonly winner_value: CellText;
  readonly winner_stamp: string | null;
  readonly winner_node: string | null;
  readonly winner_tier: string | null;
  readonly winner_author: string | null;
  readonly winner_origin: string | null;
  readonly winner_seq: number | null;
  readonly noticed_at: Date;
  readonly noticed_us: string;
  readonly undone_at: Date | null;
  readonly undone_origin: string | null;
  readonly undone_seq: number | null;
}

const sideColumns = (side: string): string =>
  `l.${side}_value, l.${side}_stamp::text as ${side}_stamp, l.${side}_node, l.${side}_tier, l.${side}_author, l.${side}_origin, l.${side}_seq`;
const microseconds = "(extract(epoch from l.noticed_at) * 1000000)::bigint";

export const LOSS_COLUMNS = `l.tenant_id, l.id, l.table_name, l.row_key, l.column_name, l.rule, ${sideColumns("loser")}, ${sideColumns("winner")},
  l.noticed_at, ${microseconds}::text as noticed_us, l.undone_at, l.undone_origin, l.undone_seq`;

function sideOf(row: LossRow, side: "loser" | "winner"): WrittenValue {
  const stamp = row[`${side}_stamp`];
  const [origin, seq] = [row[`${side}_origin`], row[`${side}_seq`]];
  return {
    value: row[`${side}_value`],
    writtenAt: stamp === null || stamp === "0" ? null : new Date(Number(BigInt(stamp) >> 16n)),
    author: row[`${side}_author`],
    tier: row[`${side}_tier`],
    node: row[`${side}_node`],
    commit: origin === null || seq === null ? null : { origin, seq },
  };
}

export function entryOfRow(row: LossRow): JournalEntry {
  const { undone_at: at, undone_origin: origin, undone_seq: seq } = row;
  return {
    tenant: row.tenant_id,
    id: row.id,
    table: row.table_name,
    key: row.row_key.split(KEY_SEPARATOR),
    column: row.column_name,
    rule: row.rule,
    lost: sideOf(row, "loser"),
    won: sideOf(row, "winner"),
    noticedAt: row.noticed_at,
    undone: at === null || origin === null || seq === null ? null : { at, origin, seq },
  };
}

/** A winner that came in an answer before its commit: who wrote it is in the log by now. */
async function withWinners(session: SqlSession, rows: readonly LossRow[]): Promise<readonly LossRow[]> {
  const open = rows.filter((row) => row.winner_origin === null && row.winner_stamp !== null && row.winner_node !== null);
  if (open.length === 0) return rows;
  const found = await session.query<Pick<LossRow, "id" | "winner_tier" | "winner_author" | "winner_origin" | "winner_seq">>(
    `select l.id, c.tier as winner_tier, c.author as winner_author, c.origin as winner_origin, c.seq as winner_seq
    from unnest($1::uuid[], $2::text[], $3::bigint[], $4::uuid[]) as l (id, tenant_id, stamp, node)
    join hayloft.commit c on c.tenant_id = l.tenant_id and c.stamp = l.stamp and c.node_id = l.node`,
    [
      open.map((row) => row.id),
      open.map((row) => row.tenant_id),
      open.map((row) => row.winner_stamp),
      open.map((row) => row.winner_node),
    ],
  );
  const winners = new Map(found.rows.map((row) => [row.id, row]));
  return rows.map((row) => ({ ...row, ...winners.get(row.id) }));
}

/** A page of the journal, the newest first. Throws `request-invalid`. */
export async function listLosses(session: SqlSession, filter: JournalFilter = {}): Promise<JournalPage> {
  const limit = filter.limit ?? LIMIT_DEFAULT;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
    throw new HayloftError("request-invalid", { part: "limit", max: LIMIT_MAX });
  const parameters: SqlParameter[] = [];
  const put = (value: SqlParameter): string => `$${String(parameters.push(value))}`;
  const conditions = ["not l.superseded"];
  if (filter.tenant !== undefined) conditions.push(`l.tenant_id = ${put(filter.tenant)}`);
  if (filter.table !== undefined) conditions.push(`l.table_name = ${put(filter.table)}`);
  if (filter.key !== undefined) conditions.push(`l.row_key = ${put(filter.key.join(KEY_SEPARATOR))}`);
  if (filter.column !== undefined) conditions.push(`l.column_name = ${put(filter.column)}`);
  if (filter.since !== undefined) conditions.push(`l.noticed_at >= ${put(filter.since)}`);
  if (filter.withEqual !== true)
    conditions.push(`(l.loser_value is distinct from l.winner_value or l.column_name like '$%' or l.rule = 'tombstone')`);
  if (filter.after != null) {
    const [, noticed, id] = CURSOR_PATTERN.exec(filter.after) ?? [];
    if (noticed === undefined || id === undefined) throw new HayloftError("request-invalid", { part: "after" });
    const at = `timestamptz 'epoch' + ${put(noticed)}::bigint * interval '1 microsecond'`;
    conditions.push(`(l.noticed_at, l.id) < (${at}, ${put(id)}::uuid)`);
  }
  const { rows } = await session.query<LossRow>(
    `select ${LOSS_COLUMNS} from hayloft.loss l where ${conditions.join(" and ")}
    order by l.noticed_at desc, l.id desc limit ${put(limit + 1)}::integer`,
    parameters,
  );
  const shown = await withWinners(session, rows.slice(0, limit));
  const last = shown.at(-1);
  const isMore = rows.length > limit && last !== undefined;
  return { entries: shown.map(entryOfRow), next: isMore ? `${last.noticed_us} ${last.id}` : null };
}
