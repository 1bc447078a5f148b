import type { Catalog } from "../catalog/catalog.ts";
import type { CatalogChange } from "../catalog/history.ts";
import { isReplicated, keepsRowState, rowKeyColumns } from "../catalog/table-facts.ts";
import type { Table } from "../catalog/table.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { type CatalogLens, catalogLens } from "../lens/catalog-lens.ts";
import { columnOf, KEY_SEPARATOR, STAMPS_COLUMN } from "../merge/row-change.ts";
import type { SqlSession } from "../store/database.ts";

/** Documents that are translated by one statement. */
const BATCH = 1_000;

/**
 * Brings what the engine keeps beside the tables from an older version of the catalog to the present one: the stamps of
 * columns that have another name, are gone or are new; what deleted rows left behind; and which tables the parent has to
 * send again, because this replica had no place for all of their rows. Logs and quarantines keep the version that they were
 * written in. Part of the migration's transaction.
 *
 * Throws `database-newer` for a newer version and `migration-invalid` for one that the history does not reach.
 */
export async function upgradeReplica(tx: SqlSession, catalog: Catalog, tier: string): Promise<void> {
  const { rows } = await tx.query<{ readonly catalog_version: number }>("select catalog_version from hayloft.replica");
  const from = rows[0]?.catalog_version ?? catalog.version;
  if (from === catalog.version) return;
  const lens = catalogLens(catalog);
  if (from > catalog.version) throw new HayloftError("database-newer", { databaseVersion: from, version: catalog.version });
  if (!lens.knows(from)) {
    throw new HayloftError("migration-invalid", {
      reason: `The database has version ${String(from)} of the catalog, and the history of version ${String(catalog.version)} begins at ${String(lens.oldest)}. Start a version in between first.`,
    });
  }
  for (const table of lens.tablesAt(from).values()) if (keepsRowState(table)) await upgradeDocuments(tx, lens, from, table);
  for (const { version, changes } of catalog.history) {
    if (version > from) for (const change of changes) await upgradeStamps(tx, change);
  }
  const stamped = catalog.tables.filter(keepsRowState).map(({ name }) => name);
  await tx.query("delete from hayloft.row_state where not table_name = any($1::text[])", [stamped]);
  await askAgain(tx, catalog, tier, from);
}

/** Translates documents with values: those of deleted rows, and the memories of columns. They stay under the table's old name. */
async function upgradeDocuments(tx: SqlSession, lens: CatalogLens, from: number, table: Table): Promise<void> {
  let after: { readonly tenant_id: string; readonly row_key: string } = { tenant_id: "", row_key: "" };
  for (;;) {
    const { rows } = await tx.query<{ readonly tenant_id: string; readonly row_key: string; readonly stamps: string }>(
      `select tenant_id, row_key, stamps::text as stamps from hayloft.row_state
      where table_name = $1 and stamps ?| array['$cells', '$memory'] and (tenant_id, row_key) > ($2, $3) order by tenant_id, row_key limit ${String(BATCH)}`,
      [table.name, after.tenant_id, after.row_key],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
    const translated = rows.map((row) => translateDocument(lens, from, table, row));
    await tx.query(
      `update hayloft.row_state as s set stamps = incoming.stamps
      from unnest($2::text[], $3::text[], $4::jsonb[]) as incoming (tenant_id, row_key, stamps)
      where s.table_name = $1 and s.tenant_id = incoming.tenant_id and s.row_key = incoming.row_key`,
      [table.name, rows.map((row) => row.tenant_id), rows.map((row) => row.row_key), translated],
    );
  }
}

/** One document, translated as an insert of the row with its stamps would be. */
function translateDocument(
  lens: CatalogLens,
  from: number,
  table: Table,
  row: { readonly tenant_id: string; readonly row_key: string; readonly stamps: string },
): string {
  const { $cells: left, ...stamps } = JSON.parse(row.stamps) as Readonly<Record<string, unknown>>;
  const cells = (left ?? {}) as Readonly<Record<string, CellText>>;
  const keys = row.row_key.split(KEY_SEPARATOR);
  const key = new Map(rowKeyColumns(table).map((column, place) => [column, keys[place] ?? ""]));
  const columns = [table.scope.tenant, ...key.keys(), ...Object.keys(cells), STAMPS_COLUMN];
  const values = [row.tenant_id, ...key.values(), ...Object.values(cells), JSON.stringify(stamps)].map((value) => [value]);
  const change: Change = { table: table.name, op: "insert", columns, values, rowCount: 1 };
  const [lifted] = lens.lift(from, [change]);
  const present = lifted === undefined ? undefined : lens.tablesAt(lens.version).get(lifted.table);
  if (lifted === undefined || present === undefined) return row.stamps;
  const kept = lifted.columns.filter((column) => column !== STAMPS_COLUMN && !present.primaryKey.includes(column));
  const document = JSON.parse(columnOf(lifted, STAMPS_COLUMN)?.[0] ?? "{}") as Readonly<Record<string, unknown>>;
  if (left === undefined) return JSON.stringify(document);
  return JSON.stringify({
    ...document,
    $cells: Object.fromEntries(kept.map((column) => [column, columnOf(lifted, column)?.[0] ?? null])),
  });
}

/** Renames, removes and adds the entries of rows that are there, as one declared change says. */
async function upgradeStamps(tx: SqlSession, change: CatalogChange): Promise<void> {
  const live = "table_name = $1 and not stamps ?| array['$cells', '$memory']";
  switch (change.kind) {
    case "renamedTable":
      await tx.query("update hayloft.row_state set table_name = $2 where table_name = $1", [change.from, change.to]);
      await tx.query("update hayloft.quarantine_place set table_name = $2 where table_name = $1", [change.from, change.to]);
      return;
    case "droppedTable":
      await tx.query("delete from hayloft.row_state where table_name = $1", [change.table.name]);
      return;
    case "renamedColumn":
      await tx.query(
        `update hayloft.row_state set stamps = (stamps - $2) || jsonb_build_object($3::text, stamps -> $2) where ${live} and stamps ? $2`,
        [change.table, change.from, change.to],
      );
      return;
    case "droppedColumn":
      await tx.query(`update hayloft.row_state set stamps = stamps - $2 where ${live} and stamps ? $2`, [
        change.table,
        change.column,
      ]);
      return;
    case "addedColumn":
      // The stamp of the whole row must not count for a value that nobody wrote.
      await tx.query(
        `update hayloft.row_state set stamps = jsonb_build_object($2::text, jsonb_build_array('0', '')) || stamps where ${live}`,
        [change.table, change.column],
      );
      return;
    case "addedTable":
    case "convertedColumn":
    case "changedRule":
    case "tightened":
      return;
  }
}

/** What the row of a parent says about a snapshot; see `StoredSnapshot`. */
interface Asked {
  readonly tables?: readonly string[];
}

/**
 * Prepares a snapshot of the tables that this replica held in part only. The log goes on where it stands; own work stays. A
 * whole snapshot that was interrupted begins again.
 */
async function askAgain(tx: SqlSession, catalog: Catalog, tier: string, from: number): Promise<void> {
  if (catalog.tiers[0] === tier) return;
  const wanted = catalogLens(catalog)
    .widened(from)
    .filter((name) => {
      const table = catalog.byName.get(name);
      return table !== undefined && isReplicated(table) && table.flow !== "up" && table.retain[tier] !== undefined;
    });
  const { rows } = await tx.query<{
    readonly node_id: string;
    readonly tenant_id: string;
    readonly received_incarnation: string | null;
    readonly received_position: number | null;
    readonly snapshot_cursor: Asked | null;
  }>(
    "select node_id, tenant_id, received_incarnation, received_position, snapshot_cursor from hayloft.peer where relation = 'parent'",
  );
  for (const row of rows) {
    const before = row.snapshot_cursor?.tables ?? [];
    const asked = [...catalog.byName.keys()].filter((name) => before.includes(catalogLens(catalog).nameAt(from, name) ?? ""));
    const tables = [...new Set([...wanted, ...asked])];
    const none = row.received_incarnation === null || row.received_position === null || tables.length === 0;
    const at = { tenant: row.tenant_id, incarnation: row.received_incarnation, position: row.received_position };
    await tx.query("update hayloft.peer set snapshot_cursor = $3::jsonb where node_id = $1::uuid and tenant_id = $2", [
      row.node_id,
      row.tenant_id,
      none ? null : JSON.stringify({ at, cursor: null, tables }),
    ]);
  }
}
