import type { CellWrite, Commit, Loser, LossBook } from "@hayloft/engine";
import { writeName, writeOfLoser } from "@hayloft/engine";

/** A node's loss journal, in memory, kept by the same rules as the one over SQL. */
export class SimJournal {
  #lost = new Map<string, Loser>();
  #superseded = new Map<string, CellWrite>();

  copy(): SimJournal {
    const copy = new SimJournal();
    copy.#lost = new Map(this.#lost);
    copy.#superseded = new Map(this.#superseded);
    return copy;
  }

  take(book: LossBook): void {
    for (const { loser } of book.losers) this.#lost.set(writeName(writeOfLoser(loser)), loser);
    for (const standing of book.standing) this.#lost.delete(writeName(standing));
    for (const write of book.superseded) this.#superseded.set(writeName(write), write);
  }

  /** A commit got another stamp: entries about what it wrote follow. */
  rename(before: Commit, after: Commit): void {
    const isIt = ({ stamp, node }: { readonly stamp: bigint; readonly node: string }): boolean =>
      stamp === before.stamp && node === before.node;
    const lost = [...this.#lost.values()].map((item) =>
      isIt(item.loser) ? { ...item, loser: { ...item.loser, stamp: after.stamp } } : item,
    );
    const superseded = [...this.#superseded.values()].map((item) =>
      isIt(item.written) ? { ...item, written: { ...item.written, stamp: after.stamp } } : item,
    );
    this.#lost = new Map(lost.map((item) => [writeName(writeOfLoser(item)), item]));
    this.#superseded = new Map(superseded.map((item) => [writeName(item), item]));
  }

  /** Notes that are lost, by the name of the write; refusals apart, which only those note who had applied them. */
  entries(): ReadonlyMap<string, Loser> {
    return new Map(
      [...this.#lost].filter(([name, { table, rule }]) => table === "note" && rule !== "refused" && !this.#superseded.has(name)),
    );
  }
}
