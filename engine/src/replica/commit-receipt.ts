import { HayloftError } from "../error/hayloft-error.ts";
import { readReceipt } from "../receipt/read-receipt.ts";
import type { SqlSession } from "../store/database.ts";
import type { Receipt, ReceiptLevel, ReceiptOutcome } from "./replica.ts";
import type { Timers } from "./session-ports.ts";

export type CommitId = Pick<Receipt, "tenant" | "origin" | "seq">;

export interface ReceiptSource {
  readonly session: SqlSession;
  readonly timers: Timers;
  readonly hasParent: boolean;
  /** Calls back after anything that may have moved a commit on; returns the unsubscriber. */
  readonly onProgress: (listener: () => void) => () => void;
  /** Aborted when the replica closes. */
  readonly closed: AbortSignal;
}

/** Between two looks when nothing was heard: another process of the same database may have taken the acknowledgement. */
const lookAgainMs = 1_000;

/** The receipt of a commit; what it says is read from the database each time, so that it outlives the process. */
export function commitReceipt(source: ReceiptSource, { tenant, origin, seq }: CommitId): Receipt {
  return {
    tenant,
    origin,
    seq,
    until: async (level, options = {}) => await reached(source, { tenant, origin, seq }, level, options.timeoutMs ?? null),
  };
}

async function reached(
  source: ReceiptSource,
  commit: CommitId,
  level: ReceiptLevel,
  timeoutMs: number | null,
): Promise<ReceiptOutcome> {
  const { timers } = source;
  const startMs = timers.moment().steadyMs;
  for (;;) {
    const signal = nextProgress(source);
    try {
      const outcome = await readOutcome(source, commit, level);
      if (outcome !== null) return outcome;
      if (source.closed.aborted) throw new HayloftError("store-closed", { tenant: commit.tenant, seq: commit.seq });
      const leftMs = timeoutMs === null ? lookAgainMs : timeoutMs - (timers.moment().steadyMs - startMs);
      if (leftMs <= 0) throw new HayloftError("receipt-timeout", { level, tenant: commit.tenant, seq: commit.seq });
      await signal.within(Math.min(leftMs, lookAgainMs));
    } finally {
      signal.cancel();
    }
  }
}

/** Listens before the database is read, so that nothing between the two is missed. */
function nextProgress({ onProgress, timers, closed }: ReceiptSource): { within(ms: number): Promise<void>; cancel(): void } {
  let wake: () => void = () => undefined;
  let cancelTimer: () => void = () => undefined;
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const unsubscribe = onProgress(wake);
  closed.addEventListener("abort", wake);
  return {
    within: async (ms) => {
      cancelTimer = timers.after(ms, wake);
      await woken;
    },
    cancel: () => {
      unsubscribe();
      cancelTimer();
      closed.removeEventListener("abort", wake);
    },
  };
}

/** What became of the commit at that level, or null while it is on its way. */
async function readOutcome(
  source: ReceiptSource,
  { tenant, origin, seq }: CommitId,
  level: ReceiptLevel,
): Promise<ReceiptOutcome | null> {
  const receipt = await readReceipt(source.session, tenant, origin, seq);
  const { outcome, code } = receipt;
  // A refusal is where it ends: the commit goes no further.
  const ended = level === "here" || !source.hasParent || receipt.top.reached || outcome === "refused";
  return ended || (level === "parent" && receipt.parent.reached) ? { outcome, code } : null;
}
