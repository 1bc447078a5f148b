import type { Catalog } from "../catalog/catalog.ts";
import type { CatalogChange } from "../catalog/history.ts";
import type { Table } from "../catalog/table.ts";
import type { Change } from "../commit/commit.ts";
import { lensStep, type LensStep } from "./lens-step.ts";
import { undoChange } from "./undo-change.ts";

/** The difference between a version and the one before it, ready for use. */
interface VersionStep {
  readonly version: number;
  readonly changes: readonly CatalogChange[];
  readonly steps: readonly LensStep[];
  /** The tables before this version. */
  readonly before: ReadonlyMap<string, Table>;
}

/**
 * Translates changes between the versions of a catalog, as its history declares. Pure. A change of the present version passes as it
 * is. Lifting and lowering through several versions is the same as doing it version by version.
 */
export class CatalogLens {
  /** The present version. */
  readonly version: number;
  /** The oldest version that is understood. */
  readonly oldest: number;
  /** Newest first. */
  readonly #versions: readonly VersionStep[];
  readonly #present: ReadonlyMap<string, Table>;

  constructor(catalog: Catalog) {
    this.version = catalog.version;
    this.#present = catalog.byName;
    this.#versions = versionSteps(catalog);
    this.oldest = this.#versions.at(-1)?.version === undefined ? catalog.version : (this.#versions.at(-1)?.version ?? 0) - 1;
  }

  /** True when changes of the version can be translated. */
  knows(version: number): boolean {
    return version >= this.oldest && version <= this.version;
  }

  /** Changes of an older version as the present one has them. Throws what a declared conversion throws. */
  lift(version: number, changes: readonly Change[]): readonly Change[] {
    if (version === this.version) return changes;
    const steps = this.#after(version)
      .toReversed()
      .flatMap((item) => item.steps);
    return translate(
      changes,
      steps.map((step) => step.lift),
    );
  }

  /** Changes of the present version as an older one has them: less what it does not have. */
  lower(version: number, changes: readonly Change[]): readonly Change[] {
    if (version === this.version) return changes;
    const steps = this.#after(version).flatMap((item) => item.steps.toReversed());
    return translate(
      changes,
      steps.map((step) => step.lower),
    );
  }

  /** The tables of a version that is known, by name. */
  tablesAt(version: number): ReadonlyMap<string, Table> {
    return this.#after(version).at(-1)?.before ?? this.#present;
  }

  /** All names that a table of the present version had in the versions that are known. */
  namesOf(table: string): readonly string[] {
    return this.#namesSince(this.oldest, table);
  }

  /** The name of a table of the present version in another one; null where it was not there. */
  nameAt(version: number, table: string): string | null {
    let name: string | null = table;
    for (const step of this.#stepsDown(version)) {
      if (name !== null && step.tables.after === name) name = step.tables.before;
    }
    return name;
  }

  /** True when a rule of the table is another one in that version. */
  ruleDiffers(version: number, table: string): boolean {
    return this.#declares(version, table, ["changedRule"]);
  }

  /**
   * Tables of the present version of which a replica of an older version holds less than one of the present: they were
   * added since, or have a column or rule that it does not have.
   */
  widened(version: number): readonly string[] {
    return [...this.#present.keys()].filter(
      (table) =>
        this.nameAt(version, table) === null || this.#declares(version, table, ["addedColumn", "convertedColumn", "changedRule"]),
    );
  }

  /** True when a version after `version` declares such a change of the table. */
  #declares(version: number, table: string, kinds: readonly CatalogChange["kind"][]): boolean {
    let name: string | null = table;
    for (const { changes, steps } of this.#after(version)) {
      for (const [place, change] of [...changes.entries()].toReversed()) {
        const step = steps[place];
        if (name === null || step?.tables.after !== name) continue;
        if (kinds.includes(change.kind)) return true;
        name = step.tables.before;
      }
    }
    return false;
  }

  /**
   * The columns of a table of the present version that an older one has too, with values that both hold alike: its name there by
   * the name here.
   */
  columnsIn(version: number, table: string): ReadonlyMap<string, string> {
    const columns = new Map(Object.keys(this.#present.get(table)?.columns ?? {}).map((name) => [name, name]));
    let name: string | null = table;
    for (const { changes, steps } of this.#after(version)) {
      for (const [place, change] of [...changes.entries()].toReversed()) {
        const step = steps[place];
        if (name === null || step?.tables.after !== name) continue;
        followColumns(columns, change);
        name = step.tables.before;
      }
    }
    return name === null ? new Map() : columns;
  }

  #namesSince(version: number, table: string): readonly string[] {
    const names = [table];
    for (const step of this.#stepsDown(version)) {
      if (step.tables.after === names.at(-1) && step.tables.before !== null) names.push(step.tables.before);
    }
    return [...new Set(names)];
  }

  #stepsDown(version: number): readonly LensStep[] {
    return this.#after(version).flatMap((item) => item.steps.toReversed());
  }

  /** The steps of all versions above one, newest first. */
  #after(version: number): readonly VersionStep[] {
    return this.#versions.filter((item) => item.version > version);
  }
}

/** Undoes a change in the names of columns, and forgets those that have no equal before it. */
function followColumns(columns: Map<string, string>, change: CatalogChange): void {
  for (const [present, name] of columns) {
    if (change.kind === "renamedColumn" && change.to === name) columns.set(present, change.from);
    const isNone = (change.kind === "addedColumn" || change.kind === "convertedColumn") && change.column === name;
    if (isNone) columns.delete(present);
  }
}

function translate(changes: readonly Change[], steps: readonly ((change: Change) => Change | null)[]): readonly Change[] {
  return changes.flatMap((change) => {
    let result: Change | null = change;
    for (const step of steps) if (result !== null) result = step(result);
    return result === null ? [] : [result];
  });
}

/** The steps of a catalog's history, newest first, as far as the versions follow each other without a gap. */
function versionSteps(catalog: Catalog): readonly VersionStep[] {
  const byVersion = new Map(catalog.history.map((item) => [item.version, item.changes]));
  const found: VersionStep[] = [];
  let tables = catalog.byName;
  for (let version = catalog.version; version > 1; version -= 1) {
    const changes = byVersion.get(version);
    if (changes === undefined) break;
    const steps: LensStep[] = [];
    for (const change of changes.toReversed()) {
      steps.unshift(lensed(change, tables));
      tables = undoChange(tables, change);
    }
    found.push({ version, changes, steps, before: tables });
  }
  return found;
}

/** The step of a change; it looks at changes of its own tables only. */
function lensed(change: CatalogChange, after: ReadonlyMap<string, Table>): LensStep {
  const step = lensStep(change, after);
  const { before, after: later } = step.tables;
  return {
    tables: step.tables,
    lift: (item) => (item.table === before ? step.lift(item) : item),
    lower: (item) => (item.table === later ? step.lower(item) : item),
  };
}

const lenses = new WeakMap<Catalog, CatalogLens>();

/** The lens of a catalog; made once. */
export function catalogLens(catalog: Catalog): CatalogLens {
  const known = lenses.get(catalog) ?? new CatalogLens(catalog);
  lenses.set(catalog, known);
  return known;
}
