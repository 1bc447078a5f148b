import type {
  ComparedParent,
  RangeAnswer,
  RangeQuestion,
  RepairAnswer,
  RepairRequest,
  RowAnswer,
  RowQuestion,
} from "../digest/comparison.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { ComparisonAnswer, ComparisonQuestion } from "../protocol/frame.ts";

interface Waiting {
  readonly resolve: (answer: ComparisonAnswer) => void;
  readonly reject: (error: HayloftError) => void;
}

const none = (reason: string): HayloftError => new HayloftError("unavailable", { reason });

/** Questions to the parent through the session that is open. They fail with `unavailable` when it ends, or does not take them. */
export class ParentQuestions implements ComparedParent {
  readonly #send: (question: ComparisonQuestion) => boolean;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** `send` is false when no session is open. */
  constructor(send: (question: ComparisonQuestion) => boolean) {
    this.#send = send;
  }

  async compareRanges(question: RangeQuestion): Promise<RangeAnswer> {
    const frame = await this.#ask((id) => ({ type: "compare", id, question }));
    if (frame.type !== "compared") throw none("another-answer");
    return frame.answer;
  }

  async compareRows(question: RowQuestion): Promise<RowAnswer> {
    const frame = await this.#ask((id) => ({ type: "compare_rows", id, question }));
    if (frame.type !== "rows_compared") throw none("another-answer");
    return frame.answer;
  }

  async repair(request: RepairRequest): Promise<RepairAnswer> {
    const frame = await this.#ask((id) => ({ type: "repair", id, request }));
    if (frame.type !== "repaired") throw none("another-answer");
    return frame.answer;
  }

  /** Takes in an answer; null: the session does not compare. */
  answered(id: number, answer: ComparisonAnswer | null): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (answer === null) waiting?.reject(none("parent-does-not-compare"));
    else waiting?.resolve(answer);
  }

  /** The session has ended. */
  ended(): void {
    for (const { reject } of this.#waiting.values()) reject(none("not-connected"));
    this.#waiting.clear();
  }

  async #ask(questionOf: (id: number) => ComparisonQuestion): Promise<ComparisonAnswer> {
    this.#last += 1;
    const id = this.#last;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.#send(questionOf(id))) return;
      this.#waiting.delete(id);
      reject(none("not-connected"));
    });
  }
}
