import type { AskingChild } from "../digest/answer-comparison.ts";
import type { RangeAnswer, RangeQuestion, RepairAnswer, RepairRequest, RowAnswer, RowQuestion } from "../digest/comparison.ts";
import type { RowComparison } from "./session-ports.ts";

/** Answers children's questions one after the other: reading many rows for one must not keep the database from all others. */
export class ChildComparisons implements RowComparison {
  readonly #storage: RowComparison;
  #last: Promise<unknown> = Promise.resolve();
  #healed = 0;

  constructor(storage: RowComparison) {
    this.#storage = storage;
  }

  /** Rows of ours that were set right because a child compared, since the start. */
  get healed(): number {
    return this.#healed;
  }

  async compareRanges(child: AskingChild, question: RangeQuestion): Promise<RangeAnswer> {
    return await this.#inTurn(async () => await this.#storage.compareRanges(child, question));
  }

  async compareRows(child: AskingChild, question: RowQuestion): Promise<RowAnswer> {
    return this.#count(await this.#inTurn(async () => await this.#storage.compareRows(child, question)));
  }

  async takeRepair(child: AskingChild, request: RepairRequest): Promise<RepairAnswer> {
    return this.#count(await this.#inTurn(async () => await this.#storage.takeRepair(child, request)));
  }

  #count<T extends { readonly healed: number }>(answer: T): T {
    this.#healed += answer.healed;
    return answer;
  }

  async #inTurn<T>(answer: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(answer);
    this.#last = mine.catch(() => undefined);
    return await mine;
  }
}
