import type { CellText, Commit } from "../commit/commit.ts";
import type { CellWrite, Loser, RowLosses } from "../merge/row-losses.ts";

/** A value that lost, and the commit that brought it or overwrote it; null when the authority's row did. */
export interface CommitLoser {
  readonly commit: Commit | null;
  readonly loser: Loser;
}

/** Rows that left this replica because its scope no longer covers them. */
export interface Purge {
  readonly table: string;
  readonly keys: readonly string[];
}

export interface StandingValue extends CellWrite {
  readonly value: CellText;
}

type Net = { readonly lost: CommitLoser } | { readonly standing: StandingValue };

/** Names one write of one cell. */
export const writeName = ({ table, key, column, written }: CellWrite): string =>
  JSON.stringify([table, key, column, written.stamp.toString(), written.node]);

export const writeOfLoser = ({ table, key, column, loser }: Loser): CellWrite => ({ table, key, column, written: loser });

/**
 * What the journal has to take in after a batch was applied. Of what happened to one write the last word counts, except that
 * a write which was superseded never comes back.
 */
export class LossBook {
  readonly #net = new Map<string, Net>();
  readonly #superseded = new Map<string, CellWrite>();
  readonly #purges: Purge[] = [];
  readonly #merged = new Set<Commit>();

  /** Takes in what one row's merge said. `isTruth`: the row is the authority's and no commit of anybody. */
  add(commit: Commit, joined: RowLosses, isTruth: boolean): void {
    for (const loser of joined.losers) this.lose(isTruth ? null : commit, loser);
    for (const write of joined.superseded) this.#superseded.set(writeName(write), write);
    for (const standing of joined.standing) this.#net.set(writeName(standing), { standing });
    if (joined.losers.some(changesOutcome)) this.#merged.add(commit);
  }

  lose(commit: Commit | null, loser: Loser): void {
    this.#net.set(writeName(writeOfLoser(loser)), { lost: { commit, loser } });
  }

  purge(purge: Purge): void {
    this.#purges.push(purge);
  }

  append(other: LossBook): void {
    for (const [name, net] of other.#net) this.#net.set(name, net);
    for (const [name, write] of other.#superseded) this.#superseded.set(name, write);
    for (const purge of other.#purges) this.#purges.push(purge);
    for (const commit of other.#merged) this.#merged.add(commit);
  }

  get isEmpty(): boolean {
    return this.#net.size === 0 && this.#superseded.size === 0 && this.#purges.length === 0;
  }

  /** Commits of which a value lost to another value when they came: their outcome is `merged`. */
  get merged(): ReadonlySet<Commit> {
    return this.#merged;
  }

  get losers(): readonly CommitLoser[] {
    return [...this.#net.values()].flatMap((net) => ("lost" in net ? [net.lost] : []));
  }

  get standing(): readonly StandingValue[] {
    return [...this.#net.values()].flatMap((net) => ("standing" in net ? [net.standing] : []));
  }

  get superseded(): readonly CellWrite[] {
    return [...this.#superseded.values()];
  }

  get purges(): readonly Purge[] {
    return this.#purges;
  }
}

/** A value that lost to an equal one changes nothing for its author. */
export const changesOutcome = ({ lost, rule, winner, loser }: Loser): boolean =>
  lost === "incoming" && (rule === "tombstone" || winner.value !== loser.value);
