import type { Replica, SqlSession, Table } from "@hayloft/engine";
import { HayloftError, sqlstateOf } from "@hayloft/engine";
import type { FarmRows } from "@hayloft/schema";
import type { Cell, RawRow, Row } from "./farm-rows.ts";

const quoted = (name: string): string => `"${name}"`;

/** Writes generated rows at one tier as its application would, one commit each, and remembers what it stored. */
export class FarmWriter {
  readonly replica: Replica<FarmRows>;
  readonly tenant: string;
  readonly written = new Map<string, Row[]>();
  refused = 0;

  constructor(replica: Replica<FarmRows>, tenant: string) {
    this.replica = replica;
    this.tenant = tenant;
  }

  /** Inserts the row; null when this replica's own constraints refuse it. */
  async insert(table: Table, raw: RawRow): Promise<Row | null> {
    return await this.#write(async (tx) => {
      const row = await this.#withParents(tx, raw);
      if (row === null) return null;
      const columns = Object.keys(row);
      const { rows } = await tx.query<Row>(
        `insert into ${quoted(table.name)} (${columns.map(quoted).join(", ")})
         values (${columns.map((name, index) => `$${index + 1}${castOf(table, name)}`).join(", ")})
         returning ${table.primaryKey.map((name) => `${quoted(name)}::text`).join(", ")}`,
        Object.values(row),
      );
      const key = rows[0] ?? null;
      if (key !== null) this.written.set(table.name, [...(this.written.get(table.name) ?? []), key]);
      return key;
    });
  }

  /** The key of some row that is here, or null. */
  async anyRow(table: Table): Promise<Row | null> {
    const key = table.primaryKey.map((name) => `${quoted(name)}::text`).join(", ");
    const { rows } = await this.replica.database.query<Row>(
      `select ${key} from ${quoted(table.name)} where tenant_id = $1 limit 1`,
      [this.tenant],
    );
    return rows[0] ?? null;
  }

  /** Sets one column of a row; false when this replica refuses the value or has no such row. */
  async update(table: Table, key: Row, column: string, value: Cell): Promise<boolean> {
    const changed = await this.#write(async (tx) => {
      const where = whereKey(table, key, 2);
      return await tx.query(
        `update ${quoted(table.name)} set ${quoted(column)} = $1${castOf(table, column)} where ${where.sql}`,
        [value, ...where.parameters],
      );
    });
    return (changed?.affected ?? 0) > 0;
  }

  async delete(table: Table, key: Row): Promise<boolean> {
    const { sql, parameters } = whereKey(table, key, 1);
    const gone = await this.#write(async (tx) => await tx.query(`delete from ${quoted(table.name)} where ${sql}`, parameters));
    return (gone?.affected ?? 0) > 0;
  }

  async #write<Result>(work: (tx: SqlSession) => Promise<Result>): Promise<Result | null> {
    try {
      return (await this.replica.write(async (_db, tx) => await work(tx))).result;
    } catch (error) {
      // A value that breaks a constraint here is none of the hub's business, nor is one that sets back a column which only moves
      // forward (HL004) or is set once (HL006), as of a row that was deleted. Anything else is a finding.
      const state = sqlstateOf(error) ?? (error instanceof HayloftError ? sqlstateOf(error.cause) : null);
      if (state === null || !/^(2[23]|HL00[46])/.test(state)) throw error;
      this.refused += 1;
      return null;
    }
  }

  /** The row with real parents; null when a parent it needs does not exist here. */
  async #withParents(tx: SqlSession, raw: RawRow): Promise<Record<string, Cell> | null> {
    const row: Record<string, Cell> = {};
    for (const [name, cell] of Object.entries(raw)) {
      if (cell === null || typeof cell !== "object") {
        row[name] = cell;
        continue;
      }
      if (cell.parentOf === "tenants") continue;
      const { rows } = await tx.query<{ id: string }>(
        `select id::text as id from ${quoted(cell.parentOf)} where tenant_id = $1 order by id offset mod($2::int, greatest(1, (select count(*)::int from ${quoted(cell.parentOf)} where tenant_id = $1))) limit 1`,
        [this.tenant, cell.number],
      );
      const [parent] = rows;
      if (parent === undefined) return null;
      row[name] = parent.id;
    }
    return row;
  }
}

function castOf(table: Table, column: string): string {
  const kind = table.columns[column]?.type.kind;
  return kind === "double" ? "::float8" : kind === undefined ? "" : `::${kind}`;
}

function whereKey(table: Table, key: Row, from: number): { readonly sql: string; readonly parameters: readonly Cell[] } {
  return {
    sql: table.primaryKey.map((name, index) => `${quoted(name)} = $${from + index}${castOf(table, name)}`).join(" and "),
    parameters: table.primaryKey.map((name) => key[name] ?? null),
  };
}
