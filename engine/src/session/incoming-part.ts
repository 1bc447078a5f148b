import type { PartFrame } from "../protocol/frame.ts";
import { applyNext, checkSlice, enqueue, hold, incomingOf, refuse, release, withOrigins } from "./incoming-log.ts";
import type { Handled, IncomingLog, Replication } from "./replication-state.ts";
import { andThen, unchanged, withIncoming } from "./replication-state.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { SessionFault } from "./session-fault.ts";

/**
 * A part of a commit too large for one frame. It waits its turn like a slice and is stored then; its bytes become credit again
 * when that is done, so that no more of the commit is in memory than the window.
 */
export function onPart(state: Replication, part: PartFrame, bytes: number): Handled {
  const { slice, index, last } = part;
  const log = incomingOf(state, slice.tenant);
  checkSlice(log, slice);
  if (slice.commits.length !== 1) throw new SessionFault("frame-invalid", { field: "slice.commits" });
  const held = hold(state, bytes);
  const dropped = log.mode === "resync" && (slice.after > log.end || index > 0);
  if (log.mode === "snapshot" || dropped) return release(held, bytes);
  const goesOn = index === 0 || (log.parts?.position === slice.upTo && log.parts.count === index);
  if (slice.after > log.end || !goesOn) {
    const details = { expected: log.end, after: slice.after, part: index };
    return andThen(refuse(held, log, "sequence-gap", details), (now) => release(now, bytes));
  }
  const next: IncomingLog = {
    ...log,
    mode: "stream",
    fillUntil: log.fillUntil === "unknown" ? slice.head : log.fillUntil,
    parts: last ? null : { position: slice.upTo, count: index + 1 },
    end: last ? Math.max(log.end, slice.upTo) : log.end,
  };
  return enqueue(withIncoming(withOrigins(held, slice), next), slice.tenant, { type: "part", part, bytes });
}

export function onPartStaged(state: Replication, event: Extract<ReplicationEvent, { type: "part-staged" }>): Handled {
  const log = incomingOf(state, event.tenant);
  const { applying } = log;
  if (applying === null) return unchanged(state);
  const next = withIncoming(state, { ...log, applying: null });
  return andThen(release(next, applying.bytes), (now) => applyNext(now, event.tenant));
}
