import { catalogHash } from "../catalog/catalog-hash.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Table } from "../catalog/table.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import type { Change } from "../commit/commit.ts";
import type { Sha256 } from "../commit/sha256.ts";
import { type CatalogLens, catalogLens } from "../lens/catalog-lens.ts";
import type { MarkKey } from "../incarnation/position-mark.ts";
import { rowPlan, type RowPlan } from "../merge/row-plan.ts";
import { defaultQuarantineLimits, type QuarantineLimits } from "../quarantine/quarantine-limits.ts";
import type { QuarantineHook } from "../quarantine/quarantine-action.ts";
import type { SqlSession } from "../store/database.ts";

/** Per table, what to do in the transaction that applies foreign changes of it: keep derived rows right, for example. */
export type Projections = Readonly<Record<string, (tx: SqlSession, change: Change) => Promise<void>>>;

/** What applying and reading need to know of this replica. */
export interface ReplicaEnvironment {
  readonly catalog: Catalog;
  /** Translates what other versions of the catalog wrote, or are to read. */
  readonly lens: CatalogLens;
  readonly nodeId: string;
  readonly tier: string;
  readonly hasParent: boolean;
  readonly projections: Projections;
  readonly sha256: Sha256;
  /** Foreign stamps further ahead than this are refused; milliseconds. */
  readonly clockAheadMsMax: number;
  /** Replicated tables only. */
  readonly plans: ReadonlyMap<string, RowPlan>;
  /** Names of the replicated tables, referenced tables before those that refer to them. */
  readonly writeOrder: readonly string[];
  /** Tables whose changes go to a tier below this one. */
  readonly sentDown: ReadonlySet<string>;
  /** Tables that hold a foreign key or are the target of one. */
  readonly linked: ReadonlySet<string>;
  /** Tables that others refer to. */
  readonly referenced: ReadonlySet<string>;
  readonly quarantineLimits: QuarantineLimits;
  /** Tells this catalog from every other. */
  readonly catalogMark: string;
  /** Called in the transaction of every action on a held commit; see `QuarantineHook`. */
  readonly onQuarantineAction: QuarantineHook | null;
  /** What marks of positions are made with; null: none are made. */
  readonly markKey: MarkKey | null;
  /** Per table, about how many bytes a row of its last snapshot page took, so that no more are read than fit. */
  readonly rowBytes: Map<string, number>;
}

const marks = new WeakMap<Catalog, string>();

function markOf(catalog: Catalog): string {
  const known = marks.get(catalog);
  if (known !== undefined) return known;
  const mark = Array.from(catalogHash(catalog).slice(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  marks.set(catalog, mark);
  return mark;
}

/** Names of the tables, each after the tables that it refers to. Tables in a cycle keep their order in the catalog. */
function foreignKeyOrder(tables: readonly Table[]): readonly string[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const done = new Set<string>();
  const order: string[] = [];
  const visit = (table: Table): void => {
    if (done.has(table.name)) return;
    done.add(table.name);
    for (const reference of table.references) {
      const target = byName.get(reference.table);
      if (target !== undefined) visit(target);
    }
    order.push(table.name);
  };
  tables.forEach(visit);
  return order;
}

/** The tables that a parent sends to children of `tier`, by `flow` and `retain`. */
export function tablesSentTo(catalog: Catalog, tier: string): ReadonlySet<string> {
  const sent = catalog.tables.filter(
    (table) => isReplicated(table) && (table.flow === "down" || table.flow === "both") && table.retain[tier] !== undefined,
  );
  return new Set(sent.map((table) => table.name));
}

export function replicaEnvironment(
  options: Pick<ReplicaEnvironment, "catalog" | "nodeId" | "tier" | "hasParent" | "projections" | "sha256" | "clockAheadMsMax"> &
    Partial<Pick<ReplicaEnvironment, "quarantineLimits" | "onQuarantineAction" | "markKey">>,
): ReplicaEnvironment {
  const { catalog, tier } = options;
  const replicated = catalog.tables.filter(isReplicated);
  const below = catalog.tiers.slice(catalog.tiers.indexOf(tier) + 1);
  const referenced = new Set(replicated.flatMap((table) => table.references.map((reference) => reference.table)));
  const referring = replicated.filter((table) => table.references.length > 0).map((table) => table.name);
  return {
    ...options,
    lens: catalogLens(catalog),
    plans: new Map(replicated.map((table) => [table.name, rowPlan(table)])),
    writeOrder: foreignKeyOrder(replicated),
    sentDown: new Set(below.flatMap((lower) => [...tablesSentTo(catalog, lower)])),
    linked: new Set([...referenced, ...referring]),
    referenced,
    quarantineLimits: options.quarantineLimits ?? defaultQuarantineLimits,
    catalogMark: markOf(catalog),
    onQuarantineAction: options.onQuarantineAction ?? null,
    markKey: options.markKey ?? null,
    rowBytes: new Map(),
  };
}

/**
 * Settings of a transaction that applies: capture is off, and values have the text form that hashes and digests are made
 * of, whatever the client's defaults are.
 */
export async function beginApplying(tx: SqlSession): Promise<void> {
  await tx.query(`select ${applyingSettings}`);
}

/** The canonical text form of values for this transaction. */
export async function setTextForm(tx: SqlSession): Promise<void> {
  await tx.query(`select ${textForm}`);
}

const textForm = `set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true),
      set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true)`;

/** What `beginApplying` selects, for a statement that reads something as well. */
export const applyingSettings = `set_config('hayloft.applying', 'on', true), ${textForm}`;
