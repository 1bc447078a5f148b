import type { ColumnType } from "kysely";

export type SqlType =
  | { readonly kind: "uuid" | "text" | "integer" | "bigint" | "double" | "boolean" | "date" | "timestamptz" | "jsonb" }
  | { readonly kind: "numeric"; readonly precision: number; readonly scale: number };

/**
 * One column: its SQL type, whether it may be null, its default and its checks. Columns are NOT NULL unless `nullable()`
 * says otherwise. Immutable: each method returns a new column.
 * `Value` is what a select returns; `Null` and `Defaulted` steer the inferred row types.
 */
export class Column<Value = unknown, Null extends boolean = boolean, Defaulted extends boolean = boolean> {
  declare readonly rowType: ColumnOf<Value, Null, Defaulted>;
  readonly type: SqlType;
  readonly isNullable: boolean;
  /** An SQL expression, or null. */
  readonly defaultSql: string | null;
  /** Values a text column may hold, or null when any. */
  readonly allowed: readonly string[] | null;
  /** Further condition on the column, written with `{}` for its name, for example `{} >= 0`. */
  readonly condition: string | null;

  constructor(spec: {
    readonly type: SqlType;
    readonly isNullable?: boolean;
    readonly defaultSql?: string | null;
    readonly allowed?: readonly string[] | null;
    readonly condition?: string | null;
  }) {
    this.type = spec.type;
    this.isNullable = spec.isNullable ?? false;
    this.defaultSql = spec.defaultSql ?? null;
    this.allowed = spec.allowed ?? null;
    this.condition = spec.condition ?? null;
  }

  nullable(): Column<Value, true, Defaulted> {
    return new Column({ ...specOf(this), isNullable: true });
  }

  /** `sql` is an SQL expression, for example `'active'` in quotes, `0` or `now()`. */
  default(sql: string): Column<Value, Null, true> {
    return new Column({ ...specOf(this), defaultSql: sql });
  }

  check(condition: string): Column<Value, Null, Defaulted> {
    return new Column({ ...specOf(this), condition });
  }
}

/** What a column was made from, for a copy with a difference. */
const specOf = ({ type, isNullable, defaultSql, allowed, condition }: Column) => ({
  type,
  isNullable,
  defaultSql,
  allowed,
  condition,
});

type Selected<Value, Null extends boolean> = Null extends true ? Value | null : Value;
/** A date may be given as text; JSON is given as text only, because a parameter cannot be an object. */
type Inserted<Value> = Value extends string | number | boolean ? Value : Value extends Date ? Date | string : string;

/** The Kysely column type of a column: a nullable or defaulted column may be left out of an insert. */
export type ColumnOf<Value, Null extends boolean, Defaulted extends boolean> = ColumnType<
  Selected<Value, Null>,
  Null extends true ? Inserted<Value> | null | undefined : Defaulted extends true ? Inserted<Value> | undefined : Inserted<Value>,
  Selected<Inserted<Value>, Null>
>;

type Required<Value> = Column<Value, false, false>;

export const uuid = (): Required<string> => new Column({ type: { kind: "uuid" } });
/** Text with `COLLATE "C"`, so that every tier sorts and compares it alike. */
export const text = (): Required<string> => new Column({ type: { kind: "text" } });
/** Text that holds one of the given values, by a CHECK. */
export const oneOf = <const Values extends readonly string[]>(...allowed: Values): Required<Values[number]> =>
  new Column({ type: { kind: "text" }, allowed });
export const integer = (): Required<number> => new Column({ type: { kind: "integer" } });
export const bigint = (): Required<number> => new Column({ type: { kind: "bigint" } });
export const double = (): Required<number> => new Column({ type: { kind: "double" } });
export const boolean = (): Required<boolean> => new Column({ type: { kind: "boolean" } });
/** An exact decimal; JavaScript sees it as a string, so that no digit is lost. */
export const numeric = (precision: number, scale: number): Required<string> =>
  new Column({ type: { kind: "numeric", precision, scale } });
/** A calendar day, `YYYY-MM-DD`. */
export const date = (): Required<string> => new Column({ type: { kind: "date" } });
export const timestamptz = (): Required<Date> => new Column({ type: { kind: "timestamptz" } });
/** JSON; written as text (`JSON.stringify`), read parsed. */
export const jsonb = <Value = unknown>(): Required<Value> => new Column({ type: { kind: "jsonb" } });
