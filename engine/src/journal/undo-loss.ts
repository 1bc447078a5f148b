import { setTextForm } from "../apply/apply-environment.ts";
import { deleteSql, insertSql, keyVectors, selectByKeySql, type TextRow, updateSql } from "../apply/table-sql.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import type { CellText } from "../commit/commit.ts";
import { sha256 } from "../commit/sha256.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { rowPlan, type RowPlan } from "../merge/row-plan.ts";
import { type CommitId, sealedCommit } from "../log/sealed-commit.ts";
import { refusalOf } from "../sql/sqlstate.ts";
import type { Database, SqlSession } from "../store/database.ts";
import { entryOfRow, LOSS_COLUMNS, type LossRow } from "./list-losses.ts";
import { lossId } from "./loss-id.ts";
import type { JournalEntry } from "./journal.ts";

export interface UndoneLoss {
  /** The commit that put the value back; null when it stood already. */
  readonly commit: CommitId | null;
  /** What was replaced by that, as an entry of its own; null when nothing was. */
  readonly entry: JournalEntry | null;
}

/** Puts a lost value back; `Journal.undo` says what holds and what it throws. */
export async function undoLoss(
  database: Database,
  catalog: Catalog,
  name: { readonly tenant: string; readonly id: string },
  options: { readonly author?: string } = {},
): Promise<UndoneLoss> {
  try {
    return await database.transaction(async (tx) => {
      await setTextForm(tx);
      if (options.author !== undefined) await tx.query("select set_config('hayloft.author', $1, true)", [options.author]);
      return await undoInTransaction(tx, catalog, name);
    });
  } catch (error) {
    throw refusalOf(error);
  }
}

/** What an undo changes: one cell, or a whole row. */
interface Work {
  readonly tx: SqlSession;
  readonly plan: RowPlan;
  readonly row: LossRow;
  readonly here: TextRow | null;
}

async function undoInTransaction(
  tx: SqlSession,
  catalog: Catalog,
  { tenant, id }: { readonly tenant: string; readonly id: string },
): Promise<UndoneLoss> {
  const found = await tx.query<LossRow>(
    `select ${LOSS_COLUMNS} from hayloft.loss l where l.tenant_id = $1 and l.id = $2::uuid and not l.superseded for update`,
    [tenant, id],
  );
  const [row] = found.rows;
  if (row === undefined) throw new HayloftError("not-found", { what: "journal entry", tenant, id });
  const table = catalog.byName.get(row.table_name);
  if (table === undefined || !isReplicated(table) || row.column_name === "$stamp") throw refused(row, "the entry holds no value");
  const plan = rowPlan(table);
  const here = await currentRow(tx, plan, row);
  const replaced = await write({ tx, plan, row, here });
  if (replaced === null) return { commit: null, entry: null };
  const commit = await sealedCommit(tx);
  if (commit === null) return { commit: null, entry: null };
  const entry = await noteUndo(tx, row, replaced, commit);
  await tx.query(
    `update hayloft.loss set undone_at = now(), undone_origin = $3::uuid, undone_seq = $4::bigint where tenant_id = $1 and id = $2::uuid`,
    [tenant, id, commit.origin, commit.seq],
  );
  return { commit, entry };
}

const refused = (row: LossRow, reason: string): HayloftError =>
  new HayloftError("undo-refused", { table: row.table_name, column: row.column_name, reason });

async function currentRow(tx: SqlSession, plan: RowPlan, row: LossRow): Promise<TextRow | null> {
  const vectors = keyVectors(plan, row.tenant_id, [row.row_key]);
  const { rows } = await tx.query<TextRow>(selectByKeySql(plan, plan.columns, true), vectors);
  return rows[0] ?? null;
}

interface Replaced {
  readonly column: string;
  readonly value: CellText;
  readonly stamp: string;
  readonly node: string | null;
}

/** Writes what the entry asks for; returns what it replaced, or null when there is nothing to do. */
async function write(work: Work): Promise<Replaced | null> {
  const { tx, plan, row, here } = work;
  const key = keyVectors(plan, row.tenant_id, [row.row_key]);
  if (row.column_name === "$deleted") {
    if (here === null) return null;
    const replaced = await replacedBy(work, "$row", JSON.stringify(cellsOf(plan, here)));
    await tx.query(deleteSql(plan), key);
    return replaced;
  }
  if (here === null) return await bringBack(work);
  if (row.column_name === "$row") {
    const columns = Object.entries(parseCells(row)).filter(([name]) => plan.cellColumns.includes(name));
    if (columns.every(([name, value]) => here[name] === value)) return null;
    const replaced = await replacedBy(work, "$row", JSON.stringify(cellsOf(plan, here)));
    await tx.query(updateSql(plan, [...plan.table.primaryKey, ...columns.map(([name]) => name)]), [
      ...key,
      ...columns.map(([, value]) => [value]),
    ]);
    return replaced;
  }
  if (here[row.column_name] === row.loser_value) return null;
  const replaced = await replacedBy(work, row.column_name, here[row.column_name] ?? null);
  await tx.query(updateSql(plan, [...plan.table.primaryKey, row.column_name]), [...key, [row.loser_value]]);
  return replaced;
}

const cellsOf = (plan: RowPlan, row: TextRow): Readonly<Record<string, CellText>> =>
  Object.fromEntries(plan.cellColumns.map((column) => [column, row[column] ?? null]));

const parseCells = (row: LossRow): Readonly<Record<string, CellText>> =>
  JSON.parse(row.loser_value ?? "{}") as Readonly<Record<string, CellText>>;

/**
 * The row is gone: it is inserted again from what was kept of it, with the lost value in its place. A value that is made of operations was
 * kept with the lost one in it.
 */
async function bringBack({ tx, plan, row }: Work): Promise<Replaced> {
  const kept = row.column_name === "$row" ? parseCells(row) : await keptCells(tx, row);
  if (kept === null) throw refused(row, "the row is gone and nothing was kept of it");
  const cells = new Map(Object.entries(kept).filter(([name]) => plan.cellColumns.includes(name)));
  if (row.column_name !== "$row" && plan.memory.get(row.column_name)?.addsUp !== true)
    cells.set(row.column_name, row.loser_value);
  await tx.query(insertSql(plan, [...plan.table.primaryKey, ...cells.keys()], `(${primaryKeyList(plan)}) do nothing`), [
    ...keyVectors(plan, row.tenant_id, [row.row_key]),
    ...[...cells.values()].map((value) => [value]),
  ]);
  const [stamp = "0", node = null] = (await stampsOf(tx, row))["$deleted"] ?? [];
  return { column: "$deleted", value: null, stamp, node };
}

const primaryKeyList = (plan: RowPlan): string => plan.table.primaryKey.map((name) => `"${name}"`).join(", ");

async function keptCells(tx: SqlSession, row: LossRow): Promise<Readonly<Record<string, CellText>> | null> {
  const { rows } = await tx.query<{ cells: Readonly<Record<string, CellText>> | null }>(
    `select stamps -> '$cells' as cells from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = $3`,
    [row.tenant_id, row.table_name, row.row_key],
  );
  return rows[0]?.cells ?? null;
}

type Stamps = Readonly<Record<string, readonly [string, string]>>;

async function stampsOf(tx: SqlSession, row: LossRow): Promise<Stamps> {
  const { rows } = await tx.query<{ stamps: Stamps }>(
    `select stamps - '$cells' as stamps from hayloft.row_state where tenant_id = $1 and table_name = $2 and row_key = $3`,
    [row.tenant_id, row.table_name, row.row_key],
  );
  return rows[0]?.stamps ?? {};
}

async function replacedBy({ tx, row }: Work, column: string, value: CellText): Promise<Replaced> {
  const stamps = await stampsOf(tx, row);
  const [stamp = "0", node = null] = stamps[column] ?? stamps["$row"] ?? [];
  return { column, value, stamp, node };
}

/** What the undo replaced becomes an entry, so that it can be put back in its turn. */
async function noteUndo(tx: SqlSession, row: LossRow, replaced: Replaced, commit: CommitId): Promise<JournalEntry | null> {
  const id = lossId(sha256, row.tenant_id, {
    table: row.table_name,
    key: [row.row_key, "undo", commit.origin, String(commit.seq)],
    column: replaced.column,
    written: { stamp: BigInt(replaced.stamp), node: replaced.node ?? "" },
  });
  await tx.query(
    `insert into hayloft.loss (tenant_id, id, table_name, row_key, column_name, rule, lost, loser_value, loser_stamp, loser_node,
      loser_tier, loser_author, loser_origin, loser_seq,
      winner_value, winner_stamp, winner_node, winner_tier, winner_author, winner_origin, winner_seq)
    select $1, $2::uuid, $3, $4, $5, 'undo', 'existing', $6, nullif($7::bigint, 0), $8::uuid,
      old.tier, old.author, old.origin, old.seq, $9, c.stamp, c.node_id, c.tier, c.author, c.origin, c.seq
    from hayloft.commit c left join hayloft.commit old on old.tenant_id = $1 and old.stamp = $7::bigint and old.node_id = $8::uuid
    where c.tenant_id = $1 and c.origin = $10::uuid and c.seq = $11::bigint limit 1`,
    [
      row.tenant_id,
      id,
      row.table_name,
      row.row_key,
      replaced.column,
      replaced.value,
      replaced.stamp,
      replaced.node,
      row.loser_value,
      commit.origin,
      commit.seq,
    ],
  );
  const { rows } = await tx.query<LossRow>(
    `select ${LOSS_COLUMNS} from hayloft.loss l where l.tenant_id = $1 and l.id = $2::uuid`,
    [row.tenant_id, id],
  );
  const [noted] = rows;
  return noted === undefined ? null : entryOfRow(noted);
}
