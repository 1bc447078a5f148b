import { sameBytes } from "../commit/commit-hash.ts";
import type { StagedCommit } from "../replica/replica-storage.ts";
import type { Moment } from "./moment.ts";
import type { Handled, Outbound, OutgoingLog, OutgoingPart, Replication } from "./replication-state.ts";
import { unchanged, withOutgoing } from "./replication-state.ts";
import type { ReplicationEvent } from "./session-event.ts";

/** The parts of the commit at `position`, from the first one on that the peer does not have. */
export const outgoingPart = (position: number, staged: StagedCommit | null): OutgoingPart => ({
  position,
  index: 0,
  after: null,
  staged: staged?.position === position && staged.parts > 0 ? staged : null,
  began: false,
});

const isStaged = ({ staged, index }: OutgoingPart): boolean => staged !== null && index < staged.parts;

/** Reads the next part. One is read at a time, and only when the one before is sent, so that no more is in memory. */
export function readPart(state: Replication, log: OutgoingLog, part: OutgoingPart): Handled {
  const request = {
    tenant: log.tenant,
    position: part.position,
    after: part.after,
    peer: state.peer,
    peerVersion: state.peerVersion,
    towards: state.towards,
    grant: state.towards === "down" ? state.grant : null,
  };
  const { generation, told } = log;
  const skip = isStaged(part);
  return {
    state: withOutgoing(state, { ...log, busy: true }),
    effects: [{ type: "read-part", request, generation, chainAfter: told, index: part.index, skip }],
  };
}

/**
 * Queues the part that was read. Parts that the peer has are read for their digest alone; when that is not the one that the
 * peer named, what it has is of something else, and the commit is sent from its first part.
 */
export function onPartRead(state: Replication, event: Extract<ReplicationEvent, { type: "part-read" }>, at: Moment): Handled {
  const log = state.outgoing.get(event.tenant);
  if (log === undefined || log.generation !== event.generation || log.part === null) return unchanged(state);
  const { part } = log;
  const head = Math.max(log.head, event.head);
  const read = { ...log, busy: false, head };
  if (part.staged !== null && isStaged(part)) {
    const isEnd = part.index + 1 === part.staged.parts;
    const differs = event.last || (isEnd && !sameBytes(event.place.digest, part.staged.digest));
    const next = differs
      ? outgoingPart(part.position, null)
      : { ...part, index: part.index + 1, after: event.place, began: true };
    return unchanged(withOutgoing(state, { ...read, part: next }));
  }
  const tells = event.last ? part.position : null;
  const queue: readonly Outbound[] = event.message === null ? [] : [{ bytes: event.message, tells }];
  const began = part.began || event.message !== null;
  if (!event.last) {
    return unchanged(
      withOutgoing(state, { ...read, queue, part: { ...part, index: part.index + 1, after: event.place, began } }),
    );
  }
  const done = { ...read, queue, part: null, staged: null, read: part.position };
  // Nothing in the commit was for the peer: its position is told with what comes next, or after a while.
  if (!began) return unchanged(withOutgoing(state, { ...done, quietSinceMs: log.quietSinceMs ?? at.steadyMs }));
  return unchanged(withOutgoing(state, { ...done, told: part.position, quietSinceMs: null, tellAtOnce: false }));
}
