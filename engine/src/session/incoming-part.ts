import type { PartFrame } from "../protocol/frame.ts";
import { joinParts } from "../protocol/commit-parts.ts";
import { hold, incomingOf, onCommits, release } from "./incoming-log.ts";
import type { Handled, Replication } from "./replication-state.ts";
import { andThen, withIncoming } from "./replication-state.ts";
import { SessionFault } from "./session-fault.ts";

/**
 * A part of a commit too large for one frame. Its bytes become credit again at once, or a commit larger than the window
 * could never arrive; what is kept is bounded by the protocol's limit on one commit.
 */
export function onPart(state: Replication, frame: PartFrame, bytes: number): Handled {
  const log = incomingOf(state, frame.tenant);
  if (frame.incarnation !== log.incarnation) throw new SessionFault("frame-invalid", { field: "incarnation" });
  if (log.mode === "snapshot" || (log.mode === "resync" && frame.index !== log.parts.length)) {
    return release(hold(state, bytes), bytes);
  }
  const [first] = log.parts;
  if (frame.index !== log.parts.length || (first !== undefined && first.position !== frame.position)) {
    throw new SessionFault("frame-invalid", { field: "index", expected: log.parts.length });
  }
  const parts = [...log.parts, frame];
  if (!frame.last) return release(hold(withIncoming(state, { ...log, parts }), bytes), bytes);
  const whole = withIncoming(state, { ...log, parts: [] });
  return andThen(release(hold(whole, bytes), bytes), (now) => onCommits(now, { type: "commits", slice: joinParts(parts) }, 0));
}
