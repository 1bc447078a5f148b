import { HayloftError } from "../error/hayloft-error.ts";
import { type CommitReceipt, readReceipt } from "../receipt/read-receipt.ts";
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
    until: async (level, options = {}) => await reached(source, { tenant, origin, seq }, level, options.deadlineMs ?? null),
    read: async () => await readReceipt(source.session, tenant, origin, seq),
  };
}

async function reached(
  source: ReceiptSource,
  commit: CommitId,
  level: ReceiptLevel,
  deadlineMs: number | null,
): Promise<ReceiptOutcome> {
  const { timers } = source;
  const startMs = timers.moment().steadyMs;
  for (;;) {
    const signal = nextProgress(source);
    try {
      const receipt = await readReceipt(source.session, commit.tenant, commit.origin, commit.seq);
      const outcome = outcomeAt(source, receipt, level);
      if (outcome !== null) return outcome;
      const { tenant, seq } = commit;
      if (source.closed.aborted) throw new HayloftError("store-closed", { tenant, seq });
      const leftMs = deadlineMs === null ? lookAgainMs : deadlineMs - (timers.moment().steadyMs - startMs);
      if (leftMs <= 0) throw new HayloftError("receipt-timeout", { level, tenant, seq, reached: levelReached(receipt) });
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
function outcomeAt(source: ReceiptSource, receipt: CommitReceipt, level: ReceiptLevel): ReceiptOutcome | null {
  const { outcome, code } = receipt;
  // A refusal is where it ends: the commit goes no further.
  const ended =
    level === "device" ||
    !source.hasParent ||
    outcome === "refused" ||
    receipt[level].reached ||
    (level !== "safe" && receipt.top.reached);
  return ended ? { outcome, code } : null;
}

function levelReached({ device, parent, top, safe }: CommitReceipt): ReceiptLevel | "none" {
  if (safe.reached) return "safe";
  if (top.reached) return "top";
  if (parent.reached) return "parent";
  return device.reached ? "device" : "none";
}
