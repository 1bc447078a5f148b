import type { Column, SqlType, Table } from "@hayloft/engine";
import { columnRuleOf, derivedId, newId } from "@hayloft/engine";
import fc from "fast-check";

export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

/** Names a row of another table by number: which one it is depends on what exists when the row is written. */
interface ParentChoice {
  readonly parentOf: string;
  readonly number: number;
}
export type RawRow = Readonly<Record<string, Cell | ParentChoice>>;

/** Where generated rows belong. */
export interface RowPlace {
  readonly tenant: string;
  readonly farm: string;
  readonly barn: string;
}

// What breaks careless code: separators of our own formats, quotes, wide and combined characters.
const letters = [
  "a",
  "B",
  "7",
  " ",
  "é",
  "ไ",
  "ก",
  "鶏",
  "🐔",
  "'",
  '"',
  "\\",
  ",",
  ";",
  "{",
  "}",
  "$",
  "%",
  "/",
  "\t",
  "\n",
  "\u001E",
  "\u001F",
  "\u007F",
];
const textOf = (min: number, max: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...letters), minLength: min, maxLength: Math.min(max, 40) });

const hexDigits = "0123456789abcdef".split("");
const DAY_MS = 86_400_000;
/** Ids are made anew each time a row is generated, so that no two rows meet by chance. */
const fresh = <Value>(make: () => Value): fc.Arbitrary<Value> => fc.nat(0).map(() => make());

function boundsOf(condition: string | null, low: number, high: number): readonly [number, number] {
  const between = /^\{\} between (-?[\d.]+) and (-?[\d.]+)$/.exec(condition ?? "");
  if (between !== null) return [Number(between[1]), Number(between[2])];
  const least = /^\{\} (>=|>) (-?[\d.]+)$/.exec(condition ?? "");
  if (least === null) return [low, high];
  return [Number(least[2]) + (least[1] === ">" ? 1 : 0), high];
}

function textArbitrary({ allowed, condition }: Column): fc.Arbitrary<string> {
  if (allowed !== null) return fc.constantFrom(...allowed);
  if (condition === null) return textOf(0, 40);
  if (condition.includes("[0-9a-f]{64}")) return fc.string({ unit: fc.constantFrom(...hexDigits), minLength: 64, maxLength: 64 });
  const length = /^char_length\(\{\}\) between (\d+) and (\d+)$/.exec(condition);
  return length === null ? textOf(0, 40) : textOf(Number(length[1]), Number(length[2]));
}

function numericArbitrary(condition: string | null, precision: number, scale: number): fc.Arbitrary<string> {
  const most = 10 ** (precision - scale) - 1;
  const [low, high] = boundsOf(condition, -most, most);
  const unit = 10 ** Math.min(scale, 4);
  return fc
    .integer({ min: Math.ceil(low), max: Math.floor(Math.min(high, 2_000_000_000)) })
    .chain((whole) =>
      fc
        .integer({ min: 0, max: unit - 1 })
        .map((part) => (whole + 1 > high || whole < 0 ? `${whole}` : (whole + part / unit).toFixed(scale))),
    );
}

const instants = fc
  .tuple(fc.integer({ min: 0, max: 15 * DAY_MS }), fc.integer({ min: 0, max: 999 }))
  .map(([agoMs, micros]) => new Date(Date.now() - agoMs).toISOString().replace("Z", `${String(micros).padStart(3, "0")}Z`));

const days = fc.integer({ min: 0, max: 15 }).map((ago) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10));

const json = fc.jsonValue({ maxDepth: 2, stringUnit: fc.constantFrom(...letters) }).map((value) => JSON.stringify(value));

const byKind: Readonly<Record<SqlType["kind"], (column: Column) => fc.Arbitrary<Cell>>> = {
  text: textArbitrary,
  uuid: ({ condition }) =>
    condition?.includes("= '8'") === true ? fresh(() => derivedId("generated", [newId()])) : fresh(newId),
  integer: ({ condition }) => {
    const [min, max] = boundsOf(condition, -2_147_483_648, 2_147_483_647);
    return fc.integer({ min, max });
  },
  bigint: ({ condition }) => {
    const [min, max] = boundsOf(condition, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    return fc.maxSafeInteger().map((value) => Math.max(min, Math.min(max, value)));
  },
  numeric: ({ type, condition }) =>
    type.kind === "numeric" ? numericArbitrary(condition, type.precision, type.scale) : fc.constant("0"),
  double: () => fc.double({ noNaN: true, noDefaultInfinity: true }),
  boolean: () => fc.boolean(),
  date: () => days,
  timestamptz: () => instants,
  jsonb: () => json,
};

const valueArbitrary = (column: Column): fc.Arbitrary<Cell> => byKind[column.type.kind](column);

/** True when a tier may make rows of the table at all. */
export function mayInsert(table: Table, tier: string): boolean {
  if (!table.writers.includes(tier) || (table.rule.kind === "singleWriter" && table.rule.tier !== tier)) return false;
  return Object.entries(table.columns).every(([name, column]) => {
    const isRequired = !column.isNullable && column.defaultSql === null;
    return !isRequired || isOpen(table, name, tier);
  });
}

/** True when the table's rule lets the tier decide the column's value. */
function isOpen(table: Table, column: string, tier: string): boolean {
  const rule = columnRuleOf(table, column);
  return rule === null || (rule.kind !== "derived" && (rule.kind !== "singleWriter" || rule.tier === tier));
}

/** Columns of an insert: those that the tier may set, without a derived id, which the database makes. */
function insertColumns(table: Table, tier: string): readonly string[] {
  const isDerivedId = (name: string): boolean =>
    table.rule.kind === "naturalKey" && table.primaryKey.includes(name) && name !== table.scope.tenant;
  return Object.keys(table.columns).filter((name) => isOpen(table, name, tier) && !isDerivedId(name));
}

/** Rows that a tier may write, from nothing but what the catalog says of the table. Some may break a check over several columns. */
export function rowArbitrary(table: Table, tier: string, place: RowPlace): fc.Arbitrary<RawRow> {
  const arbitraries: Record<string, fc.Arbitrary<Cell | ParentChoice>> = {};
  for (const name of insertColumns(table, tier)) {
    const column = table.columns[name];
    if (column === undefined) continue;
    const value = columnArbitrary(table, name, column, place);
    arbitraries[name] = column.isNullable ? fc.option(value, { freq: 2 }) : value;
  }
  return fc.record(arbitraries);
}

function columnArbitrary(table: Table, name: string, column: Column, place: RowPlace): fc.Arbitrary<Cell | ParentChoice> {
  if (name === table.scope.tenant) return fc.constant(place.tenant);
  const reference = table.references.find(({ columns }) => columns[1] === name);
  if (reference !== undefined) return fc.nat(999).map((number) => ({ parentOf: reference.table, number }));
  if (table.primaryKey.includes(name) && column.type.kind === "text" && column.allowed === null) return fresh(newId);
  if (name === table.scope["farm"]) return fc.constant(place.farm);
  if (name === table.scope["barn"]) return fc.constant(place.barn);
  // Parts of unique keys differ, or most rows would be refused for that.
  const isUnique = table.unique.some(({ columns }) => columns.includes(name)) && column.allowed === null;
  if (isUnique && column.type.kind === "text") return textArbitrary(column).map((text) => `${newId()}${text}`.slice(0, 128));
  return valueArbitrary(column);
}

/** A new value for one column, of the kind that the column takes. */
export const newValue = (table: Table, name: string): fc.Arbitrary<Cell> => {
  const column = table.columns[name];
  if (column === undefined) throw new Error(`${table.name} has no column ${name}`);
  return valueArbitrary(column);
};

/** A column that a tier may change in a row that exists, in any way it likes; null when the rule leaves none. */
export function changeableColumn(table: Table, tier: string): string | null {
  if (!table.writers.includes(tier)) return null;
  const taken = new Set([
    ...table.primaryKey,
    ...Object.values(table.scope),
    ...table.references.flatMap(({ columns }) => columns),
    ...table.unique.flatMap(({ columns }) => columns),
    ...(table.rule.kind === "monotoneRow" ? [table.rule.by] : []),
    ...(table.rule.kind === "naturalKey" ? table.rule.key : []),
  ]);
  const isFree = (name: string): boolean => {
    const rule = columnRuleOf(table, name);
    return !taken.has(name) && (rule?.kind === "lastWriterWins" || (rule?.kind === "singleWriter" && rule.tier === tier));
  };
  const inChecks = Object.values(table.checks).join(" ");
  return Object.keys(table.columns).find((name) => isFree(name) && !inChecks.includes(name)) ?? null;
}

/** True when the rule lets the tier delete rows. */
export const mayDelete = (table: Table, tier: string): boolean =>
  table.writers.includes(tier) &&
  table.rule.kind !== "appendOnly" &&
  (table.rule.kind !== "singleWriter" || table.rule.tier === tier);
