import type { Catalog } from "../catalog/catalog.ts";
import { columnRuleOf, isReplicated } from "../catalog/table-facts.ts";
import type { ColumnRule, Lattice } from "../catalog/rule.ts";
import type { Table } from "../catalog/table.ts";
import { reachable } from "../catalog/lattice-order.ts";
import type { RefusalRule } from "./sqlstate.ts";
import { sqlName, sqlText } from "./sql-name.ts";

/** One thing a statement may not do. `n` is the new row, `o` the old one; the guard refuses rows for which `when` holds. */
export interface WriteGuard {
  readonly when: string;
  readonly rule: RefusalRule;
  readonly column: string | null;
  readonly message: string;
  readonly hint: string;
}

/** A refusal that no row can escape: the operation as a whole is not for this tier. */
export type WriteRefusal = Omit<WriteGuard, "when">;

type Op = "insert" | "update" | "delete";

/** Why no write of this kind is allowed on this tier at all, or null when rows decide. */
export function refusalFor(table: Table, tier: string, op: Op): WriteRefusal | null {
  // Derived tables are recomputed on each tier; nobody authors them.
  if (table.rule.kind === "derived") return null;
  if (!table.writers.includes(tier)) return notWriter(table, tier);
  const { rule } = table;
  if (rule.kind === "singleWriter" && rule.tier !== tier && (op !== "update" || !someColumnIsOpen(table, tier))) {
    return notWriter(table, tier, [rule.tier]);
  }
  if (!isReplicated(table)) return null;
  if (rule.kind === "appendOnly" && (op === "delete" || (op === "update" && !someColumnIsOpen(table, tier)))) {
    return {
      rule: "appendOnly",
      column: null,
      message: `Rows of ${table.name} are never changed or deleted (rule appendOnly).`,
      hint: "Insert a new row that corrects the old one. Retention removes old rows by itself.",
    };
  }
  return null;
}

function notWriter(table: Table, tier: string, writers: readonly string[] = table.writers): WriteRefusal {
  return {
    rule: "table",
    column: null,
    message: `The tier ${tier} may not write ${table.name}.`,
    hint: writers.length === 0 ? "No tier writes this table." : `Make the change on: ${writers.join(", ")}.`,
  };
}

/** True when at least one column follows a rule of its own that lets this tier change it. */
function someColumnIsOpen(table: Table, tier: string): boolean {
  return Object.values(table.rule.columns).some((own) => own.kind !== "singleWriter" || own.tier === tier);
}

/** The guards for inserted rows. */
export function insertGuards(table: Table, tier: string, catalog: Catalog): readonly WriteGuard[] {
  const guards: WriteGuard[] = sharedTenantGuards(table, tier, catalog, "n");
  for (const [name, own] of Object.entries(table.rule.columns)) {
    const column = table.columns[name];
    if (own.kind === "counter") guards.push(...counterGuards(table, name));
    if (own.kind !== "singleWriter" || own.tier === tier || column === undefined) continue;
    // A default that is an expression cannot be told from a chosen value.
    const standard = column.defaultSql ?? "NULL";
    if (/^('[^']*'(::\w+)?|-?[\d.]+|true|false|NULL)$/i.test(standard)) {
      guards.push({ ...ownedColumn(table, name, own.tier, tier), when: `n.${sqlName(name)} IS DISTINCT FROM ${standard}` });
    }
  }
  guards.push(...documentGuards(table, "insert"));
  return guards;
}

/** The guards for changed rows. Derived columns may always be changed: they are not captured. */
export function updateGuards(table: Table, tier: string, catalog: Catalog): readonly WriteGuard[] {
  const guards: WriteGuard[] = sharedTenantGuards(table, tier, catalog, "n");
  const naturalKey = table.rule.kind === "naturalKey" ? table.rule.key : [];
  for (const name of Object.keys(table.columns)) {
    if (table.primaryKey.includes(name)) continue;
    if (naturalKey.includes(name)) {
      guards.push({
        rule: "key",
        column: name,
        message: `The column ${name} belongs to the natural key of ${table.name} and cannot change.`,
        hint: "Delete the row and insert one with the other key.",
        when: changed(table, name),
      });
      continue;
    }
    const rule = columnRuleOf(table, name);
    guards.push(...(rule === null ? baseGuards(table, name) : columnGuards(table, name, rule, tier)));
  }
  guards.push(...documentGuards(table, "update"));
  if (table.rule.kind === "monotoneRow") {
    guards.push(movedBack(table, table.rule.by, `n.${sqlName(table.rule.by)} < o.${sqlName(table.rule.by)}`));
  }
  return guards;
}

/** A document may shrink, whatever its size: two who filled it at the same time may have made it too large. */
function documentGuards(table: Table, op: "insert" | "update"): WriteGuard[] {
  return Object.entries(table.rule.columns).flatMap(([name, rule]) => {
    if (rule.kind !== "document") return [];
    const size = (row: "n" | "o"): string => `octet_length(${row}.${sqlName(name)}::text)`;
    const grew = op === "insert" ? "" : ` AND ${size("n")} > coalesce(${size("o")}, 0)`;
    return [
      {
        rule: "document",
        column: name,
        message: `The document ${table.name}.${name} holds at most ${rule.bytesMax} bytes.`,
        hint: "Make it shorter, or begin another row.",
        when: `${size("n")} > ${rule.bytesMax}${grew}`,
      },
    ] as const;
  });
}

/** The guards for deleted rows. */
export function deleteGuards(table: Table, tier: string, catalog: Catalog): readonly WriteGuard[] {
  return sharedTenantGuards(table, tier, catalog, "o");
}

/** SQL that says whether the statement changed the column, so that the text form of the value differs. */
export function changed(table: Table, name: string): string {
  // Values of these types can be equal and still have different texts, such as 1.0 and 1.00 inside jsonb, or 0 and -0.
  const kind = table.columns[name]?.type.kind;
  const cast = kind === "jsonb" || kind === "double" ? "::text" : "";
  return `n.${sqlName(name)}${cast} IS DISTINCT FROM o.${sqlName(name)}${cast}`;
}

/**
 * SQL that says whether the statement wrote the column: changed it, or decided a review with the value that already shows, which
 * the setting `hayloft.deciding` tells from leaving it alone.
 */
export function written(table: Table, name: string): string {
  if (table.rule.columns[name]?.kind !== "review") return changed(table, name);
  return `(${changed(table, name)} OR current_setting('hayloft.deciding', true) = ${sqlText(`${table.name}.${name}`)})`;
}

function sharedTenantGuards(table: Table, tier: string, catalog: Catalog, row: "n" | "o"): WriteGuard[] {
  if (tier === catalog.tiers[0]) return [];
  return [
    {
      rule: "sharedTenant",
      column: table.scope.tenant,
      message: `Rows of the shared tenant in ${table.name} are written by the tier ${catalog.tiers[0] ?? ""} only.`,
      hint: "Make the change there, or write the row for your own tenant.",
      when: `${row}.${sqlName(table.scope.tenant)} = ${sqlText(catalog.sharedTenant)}`,
    },
  ];
}

function ownedColumn(table: Table, column: string, owner: string, tier: string): Omit<WriteGuard, "when"> {
  return {
    rule: "column",
    column,
    message: `The tier ${tier} may not write ${table.name}.${column}; only ${owner} may.`,
    hint: `Leave the column out, or make the change on: ${owner}.`,
  };
}

function baseGuards(table: Table, name: string): WriteGuard[] {
  if (table.rule.kind !== "appendOnly") return [];
  return [
    {
      rule: "appendOnly",
      column: name,
      message: `The column ${name} of ${table.name} is never changed (rule appendOnly).`,
      hint: "Insert a new row that corrects the old one.",
      when: changed(table, name),
    },
  ];
}

function columnGuards(table: Table, name: string, rule: ColumnRule, tier: string): WriteGuard[] {
  if (rule.kind === "singleWriter" && rule.tier !== tier)
    return [{ ...ownedColumn(table, name, rule.tier, tier), when: changed(table, name) }];
  if (rule.kind === "monotone") return [movedBack(table, name, backwards(sqlName(name), rule.order))];
  if (rule.kind === "counter") return counterGuards(table, name);
  if (rule.kind !== "setOnce") return [];
  return [
    {
      rule: "setOnce",
      column: name,
      message: `The column ${name} of ${table.name} is set once and has a value.`,
      hint: "Leave the column as it is.",
      when: `o.${sqlName(name)} IS NOT NULL AND ${changed(table, name)}`,
    },
  ];
}

/** NaN is a numeric, and no difference leads to it or away from it. */
function counterGuards(table: Table, name: string): WriteGuard[] {
  if (table.columns[name]?.type.kind !== "numeric") return [];
  return [
    {
      rule: "value",
      column: name,
      message: `The column ${name} of ${table.name} counts and cannot be NaN.`,
      hint: "Write a number.",
      when: `n.${sqlName(name)} = 'NaN'`,
    },
  ];
}

function movedBack(table: Table, name: string, when: string): WriteGuard {
  return {
    rule: "monotone",
    column: name,
    message: `The column ${name} of ${table.name} only moves forward.`,
    hint: "Keep the old value when the new one is behind it, for example with greatest(old, new) or a condition.",
    when,
  };
}

/** SQL that holds when the new value is behind the old one. Null is behind everything. */
function backwards(name: string, order: "max" | "min" | "or" | Lattice): string {
  const lost = `(o.${name} IS NOT NULL AND n.${name} IS NULL)`;
  if (order === "max") return `${lost} OR n.${name} < o.${name}`;
  if (order === "min") return `${lost} OR n.${name} > o.${name}`;
  if (order === "or") return `${lost} OR (o.${name} AND NOT n.${name})`;
  const pairs = reachable(order).map(([from, to]) => `(${sqlText(from)}, ${sqlText(to)})`);
  return `${lost} OR (o.${name} <> n.${name} AND NOT (o.${name}, n.${name}) IN (${pairs.length === 0 ? "(NULL, NULL)" : pairs.join(", ")}))`;
}
