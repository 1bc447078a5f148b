import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { liftCommit } from "../apply/lift-commits.ts";
import type { Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { SqlSession } from "../store/database.ts";
import {
  chainOf,
  type Footprint,
  footprintOf,
  type HeldBefore,
  placeOf,
  type Split,
  splitDependants,
  tieTo,
} from "./dependence.ts";
import { HELD_COLUMNS, heldOfRow, type HeldRow } from "./held-commit.ts";
import { keptKey } from "./hold-commits.ts";
import { isWaiting, WAITING_CODES } from "./released-by.ts";
import { rowsHere } from "./rows-here.ts";

/** Whose commits come. */
export interface Source {
  readonly tenant: string;
  readonly from: "child" | "parent";
  readonly peer: string;
}

/** Asks for new commits whether they build on held ones. As long as nothing is held, it costs one small query a slice. */
export class HeldIndex {
  readonly #tx: SqlSession;
  readonly #env: ReplicaEnvironment;
  readonly #source: Source;
  /** Tables and groups in which something is held for others, and whether some of that only waits. */
  readonly #tables: ReadonlyMap<string, boolean>;

  private constructor(tx: SqlSession, env: ReplicaEnvironment, source: Source, tables: ReadonlyMap<string, boolean>) {
    this.#tx = tx;
    this.#env = env;
    this.#source = source;
    this.#tables = tables;
  }

  static async open(tx: SqlSession, env: ReplicaEnvironment, source: Source): Promise<HeldIndex> {
    const { rows } = await tx.query<{ table_name: string; waits: boolean }>(
      `select s.table_name, bool_or(q.code = any($2::text[])) as waits
      from hayloft.quarantine_place s join hayloft.quarantine q using (tenant_id, origin, seq)
      where s.tenant_id = $1 and not s.own and s.use <> 'needs' group by s.table_name`,
      [source.tenant, WAITING_CODES],
    );
    return new HeldIndex(tx, env, source, new Map(rows.map((row) => [row.table_name, row.waits])));
  }

  /**
   * Splits commits into those that may be written and those that step aside. `refused` are those of them that are held for a
   * reason of their own. `stored` false: only those count, not what the database holds.
   */
  async split(commits: readonly Commit[], refused: ReadonlyMap<Commit, ErrorCode>, stored = true): Promise<Split> {
    const tables = stored ? this.#tables : new Map<string, boolean>();
    if (commits.length === 0 || (tables.size === 0 && refused.size === 0)) return { ready: commits, causes: new Map() };
    const settled = new Map([...refused].map(([commit, code]) => [commit, this.#heldBefore(commit, code)]));
    const fresh = new Map([...settled.values()].flatMap((item) => tablesOf(item.footprint).map((table) => [table, item.waits])));
    const active = activeTables(commits, this.#env);
    // New rows beside refused ones are of no interest: only what changes a row, refers to one or goes on from a waiting one.
    const interest = (table: string): boolean =>
      (tables.has(table) || fresh.has(table)) &&
      (table.startsWith("@") || tables.get(table) === true || fresh.get(table) === true || active.has(table));
    const footprints = new Map(
      commits.filter((commit) => !settled.has(commit)).map((commit) => [commit, footprintOf(commit, this.#env.plans, interest)]),
    );
    const before = await this.#candidates([...footprints.values()], tables);
    const here = await this.#here([...footprints.values()], [...before, ...settled.values()]);
    return splitDependants(commits, {
      plans: this.#env.plans,
      held: before,
      settled,
      chain: (commit) => chainOf(commit, this.#source.from, this.#source.peer),
      footprint: (commit) => footprints.get(commit) ?? noFootprint,
      isHere: (place) => here.has(place),
    });
  }

  /** Of commits that are in order, of which some proved to be refused while they were written, those that step aside with these. */
  async dependants(commits: readonly Commit[], held: ReadonlyMap<Commit, ErrorCode>): Promise<ReadonlyMap<Commit, HeldBefore>> {
    return (await this.split(commits, held, false)).causes;
  }

  /** The commit, held earlier, on which a held one builds; null when it stands by itself now. */
  async causeBefore(commit: Commit): Promise<HeldBefore | null> {
    const footprint = footprintOf(commit, this.#env.plans, (table) => this.#tables.has(table));
    const { rows } = await this.#tx.query<{ held_order: string }>(
      `select held_order::text as held_order from hayloft.quarantine where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`,
      [this.#source.tenant, commit.origin, commit.seq],
    );
    const before = await this.#candidates([footprint], this.#tables, rows[0]?.held_order ?? null);
    const here = await this.#here([footprint], before);
    const later = { chain: chainOf(commit, this.#source.from, this.#source.peer), footprint, changes: commit.changes };
    return before.find((item) => tieTo(item, later, this.#env.plans, (place) => here.has(place)) !== null) ?? null;
  }

  #heldBefore(commit: Commit, code: ErrorCode): HeldBefore {
    const { origin, seq, changes } = commit;
    const chain = chainOf(commit, this.#source.from, this.#source.peer);
    return { origin, seq, chain, waits: isWaiting(code), footprint: footprintOf(commit, this.#env.plans), changes };
  }

  /** Held commits that touch one of the places; with `before` only those that were held earlier. */
  async #candidates(
    footprints: readonly Footprint[],
    tables: ReadonlyMap<string, boolean>,
    before: string | null = null,
  ): Promise<readonly HeldBefore[]> {
    const names = new Set<string>();
    for (const part of footprints)
      for (const set of [part.makes, part.changes, part.needs, part.groups])
        for (const name of set) if (tables.has(placeOf(name).table)) names.add(name);
    if (names.size === 0) return [];
    const places = [...names].map(placeOf);
    const { rows } = await this.#tx.query<HeldRow & { readonly above: boolean }>(
      `select ${HELD_COLUMNS}, coalesce((select p.relation = 'parent' from hayloft.peer p where p.tenant_id = q.tenant_id and p.node_id = q.peer), false) as above
      from hayloft.quarantine q where tenant_id = $1 and state = 'held' and peer is not null and ($4::bigint is null or held_order < $4::bigint) and exists (
        select from hayloft.quarantine_place s join unnest($2::text[], $3::text[]) as n (table_name, row_key)
          on n.table_name = s.table_name and n.row_key = s.row_key
        where s.tenant_id = q.tenant_id and s.origin = q.origin and s.seq = q.seq and not s.own and s.use <> 'needs')
      order by held_order`,
      [this.#source.tenant, places.map(({ table }) => table), places.map(({ key }) => keptKey(key)), before],
    );
    return rows.map((row) => {
      const { origin, seq, code, peer, commit: sealed } = heldOfRow(row);
      const commit = liftCommit(this.#env.lens, sealed) ?? sealed;
      const chain = row.above && peer !== null ? peer : origin;
      return {
        origin,
        seq,
        chain,
        waits: isWaiting(code),
        footprint: footprintOf(commit, this.#env.plans),
        changes: commit.changes,
      };
    });
  }

  /** Which of the rows that held commits would have inserted are here all the same. */
  async #here(footprints: readonly Footprint[], held: readonly HeldBefore[]): Promise<ReadonlySet<string>> {
    const made = new Set(held.flatMap(({ footprint }) => [...footprint.makes]));
    const wanted = new Set<string>();
    for (const { changes, needs } of footprints)
      for (const set of [changes, needs]) for (const name of set) if (made.has(name)) wanted.add(name);
    return wanted.size === 0 ? wanted : await rowsHere(this.#tx, this.#env, this.#source.tenant, wanted);
  }
}

/** Tables whose rows the commits change or refer to. */
function activeTables(commits: readonly Commit[], env: ReplicaEnvironment): ReadonlySet<string> {
  const seen = new Set<string>();
  const active = new Set<string>();
  for (const { changes } of commits) {
    for (const { table, op } of changes) {
      if (seen.has(`${op} ${table}`)) continue;
      seen.add(`${op} ${table}`);
      if (op !== "insert") active.add(table);
      for (const reference of env.plans.get(table)?.table.references ?? []) active.add(reference.table);
    }
  }
  return active;
}

const noFootprint: Footprint = { makes: new Set(), changes: new Set(), needs: new Set(), groups: new Set() };

const tablesOf = ({ makes, changes, groups }: Footprint): readonly string[] =>
  [...makes, ...changes, ...groups].map((name) => placeOf(name).table);
