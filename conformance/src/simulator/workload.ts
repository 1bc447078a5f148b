import type { Faults } from "./faults.ts";
import type { Written } from "./checkers.ts";
import type { Random } from "./random.ts";
import { type Commit, isPresent } from "@hayloft/engine";
import { historyColumns, statementCells } from "@hayloft/engine/testing";
import { mixedTables, sharedTenant } from "./sim-catalog.ts";
import type { SimNode } from "./sim-node.ts";
import { POISON } from "./sim-refusal.ts";
import { type MixedStatement, nameOf, planOf, type Row, rowName, type SimStore } from "./sim-store.ts";

/** What the nodes write: few keys and many writers, so that they meet. */
export class Workload {
  written: Written[] = [];
  readonly #random: Random;
  readonly #tenants: readonly string[];
  readonly #lastEvent = new Map<string, string>();
  /** By row, the changes that are to be refused. */
  readonly #poisoned = new Map<string, Commit[]>();
  #count = 0;

  constructor(random: Random, tenants: readonly string[]) {
    this.#random = random;
    this.#tenants = tenants;
  }

  /** Before a node's disk is put back to an image: of what the image does not hold, some may be lost. */
  lose(node: SimNode, image: SimStore, isLost: (commit: Commit) => boolean): void {
    this.#lastEvent.delete(node.spec.name);
    this.written = this.written.map((item) => {
      const last = item.node === node && image.now(item.commit) === null ? node.store.now(item.commit) : null;
      return last === null ? item : { ...item, last, ...(isLost(last) && { mayBeGone: true }) };
    });
  }

  /** One transaction at the node. */
  write(node: SimNode, faults: Faults): void {
    const random = this.#random;
    if (node.spec.tenant === null) this.#writeAtTop(node);
    else if (node.spec.tier === "tablet" && random.chance(0.04))
      this.#commit(node, node.spec.tenant, [this.#master(node.spec.tenant)], true);
    else {
      if (random.chance(0.25)) {
        this.#writeMixed(node, node.spec.tenant);
        node.network?.wake();
        return;
      }
      const times = random.chance(0.03) ? random.between(20, 80) : 1;
      for (let index = 0; index < times; index += 1) this.#writeBelow(node, node.spec.tenant, faults);
    }
    node.network?.wake();
  }

  /** One or two statements on rows of every rule; some of a tablet are such as no parent takes. */
  #writeMixed(node: SimNode, tenant: string): void {
    const random = this.#random;
    const places = new Map<string, MixedStatement>();
    for (let count = random.between(1, 2); count > 0; count -= 1) {
      const statement = this.#statement(node, tenant);
      if (statement !== null) places.set(`${statement.table} ${statement.id}`, statement);
    }
    const statements = [...places.values()];
    const [only] = statements;
    if (only === undefined) return;
    const isPoison = statements.length === 1 && only.kind === "update" && node.spec.tier === "tablet" && random.chance(0.15);
    const wanted = isPoison ? [{ ...only, cells: new Map([...only.cells, ["name", POISON] as const]) }] : statements;
    const commit = this.#commit(node, tenant, wanted, isPoison);
    if (isPoison) this.#poisonedAt(tenant, only).push(commit);
  }

  #statement(node: SimNode, tenant: string): MixedStatement | null {
    const random = this.#random;
    const table = random.pick(mixedTables);
    const id = `row-${String(random.between(1, 3))}`;
    if (this.#poisonedAt(tenant, { table, id }).some((poisoned) => isPending(node.store, poisoned))) return null;
    const state = node.store.state(tenant, table, id);
    const isHere = isPresent(state, planOf(table));
    if (isHere && random.chance(0.2)) return { table, id, kind: "delete", cells: new Map() };
    const columns = random.between(1, 2 ** historyColumns.length - 1);
    const wish = { verb: "write", columns, pick: random.between(0, 40) } as const;
    const cells = statementCells(state, !isHere, wish, this.#name("v"));
    return cells.size === 0 ? null : { table, id, kind: isHere ? "update" : "insert", cells };
  }

  #poisonedAt(tenant: string, { table, id }: Pick<MixedStatement, "table" | "id">): Commit[] {
    const name = rowName(tenant, table, id);
    const found = this.#poisoned.get(name) ?? [];
    this.#poisoned.set(name, found);
    return found;
  }

  #writeAtTop(node: SimNode): void {
    const random = this.#random;
    if (random.chance(0.2)) {
      this.#writeMixed(node, random.pick(this.#tenants));
      return;
    }
    const tenant = random.chance(0.2) ? sharedTenant : random.pick(this.#tenants);
    const rows = tenant === sharedTenant || random.chance(0.6) ? [this.#master(tenant)] : [this.#note(tenant)];
    this.#commit(node, tenant, rows, false);
  }

  #writeBelow(node: SimNode, tenant: string, faults: Faults): void {
    const random = this.#random;
    const rows = random.chance(0.75) ? this.#events(node, tenant, faults) : [];
    if (rows.length === 0 || random.chance(0.3)) rows.push(this.#note(tenant));
    this.#commit(node, tenant, rows, false);
  }

  #events(node: SimNode, tenant: string, faults: Faults): Row[] {
    const random = this.#random;
    const parts = random.between(1, 4);
    const token = this.#name("token");
    const padding = random.chance(faults.large) ? noise(random, 700_000) : "x".repeat(random.between(0, 400));
    return Array.from({ length: parts }, (_, part): Row => {
      const id = random.uuid();
      const previous = this.#lastEvent.get(node.spec.name) ?? null;
      this.#lastEvent.set(node.spec.name, id);
      const text = `canary-${tenant} ${padding}`;
      return { table: "event", values: { id, token, part: String(part), parts: String(parts), previous, padding: text } };
    });
  }

  #note(tenant: string): Row {
    const random = this.#random;
    const column = random.pick(["left", "right"]);
    const values = {
      id: `note-${String(random.between(1, 4))}`,
      left: null,
      right: null,
      [column]: `canary-${tenant} ${this.#name("v")}`,
    };
    return { table: "note", values, changed: [column] };
  }

  #master(tenant: string): Row {
    const values = { id: `master-${String(this.#random.between(1, 4))}`, value: `canary-${tenant} ${this.#name("m")}` };
    return { table: "master", values };
  }

  #commit(node: SimNode, tenant: string, rows: readonly (Row | MixedStatement)[], refused: boolean): Commit {
    const commit = node.store.write(tenant, rows, node.wallMs());
    const events = rows.flatMap((row) => ("values" in row && row.table === "event" ? (row.values["id"] ?? []) : []));
    this.written.push({ node, commit, refused, events });
    return commit;
  }

  #name(kind: string): string {
    this.#count += 1;
    return `${kind}${String(this.#count)}`;
  }
}

/**
 * Whether this disk holds the commit and nothing was said of it: what would build on it steps aside with it when it is refused, which
 * the storage of the simulation does not play. A copied disk holds what its original wrote.
 */
function isPending(store: SimStore, commit: Commit): boolean {
  const now = store.now(commit);
  return now !== null && store.outcomes.get(nameOf(now)) === undefined;
}

/** Text that does not compress. */
const noise = (random: Random, length: number): string =>
  Array.from({ length: Math.ceil(length / 8) }, () => random.between(0, 0x7fff_ffff).toString(36).padStart(8, "0"))
    .join("")
    .slice(0, length);
