import type { AckRecord, LogHead, StagedCommit } from "../replica/replica-storage.ts";
import type { AckFrame, RejectFrame } from "../protocol/frame.ts";
import type { Moment } from "./moment.ts";
import { outgoingPart, readPart } from "./outgoing-part.ts";
import type { Handled, Outbound, OutgoingLog, Replication } from "./replication-state.ts";
import { andThen, unchanged, withOutgoing } from "./replication-state.ts";
import type { SessionEffect } from "./session-effect.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { SessionFault } from "./session-fault.ts";

/**
 * A log that goes on after `from`, or, when that is null, waits until the peer asks for a snapshot. `taken` is how far
 * the peer says it has the log, `staged` what it has of a commit in parts behind that.
 */
export function outgoingLog(
  head: LogHead,
  from: number | null,
  acknowledged: number,
  { taken, staged }: { readonly taken: number; readonly staged: StagedCommit | null },
): OutgoingLog {
  const start = from ?? 0;
  return {
    tenant: head.tenant,
    incarnation: head.incarnation,
    mode: from === null ? "waiting" : "stream",
    generation: 0,
    head: head.position,
    read: start,
    told: start,
    toldMax: Math.max(start, acknowledged, taken),
    sentMax: start,
    acknowledged,
    busy: false,
    queue: [],
    quietSinceMs: null,
    rejects: 0,
    singlyUpTo: 0,
    recording: false,
    nextAck: null,
    snapshot: null,
    finishing: null,
    tellAtOnce: false,
    part: null,
    staged,
  };
}

export function outgoingOf(state: Replication, tenant: string): OutgoingLog {
  const log = state.outgoing.get(tenant);
  if (log === undefined) throw new SessionFault("frame-unexpected", { reason: "not-your-log" });
  return log;
}

/** Sends what credit and link allow, and reads ahead. Called after every event that may have changed either. */
export function pump(state: Replication): Handled {
  let result = unchanged(state);
  for (const tenant of state.outgoing.keys()) {
    result = andThen(result, (now) => transmit(now, tenant));
    result = andThen(result, (now) => readAhead(now, tenant));
  }
  return result;
}

function transmit(state: Replication, tenant: string): Handled {
  const log = outgoingOf(state, tenant);
  if (log.queue.length === 0 || state.credit <= 0 || state.linkHigh) return unchanged(state);
  const effects: SessionEffect[] = [];
  let { credit } = state;
  let { toldMax, sentMax } = log;
  let count = 0;
  for (const item of log.queue) {
    if (credit <= 0) break;
    effects.push({ type: "transmit", bytes: item.bytes });
    credit -= item.bytes.length;
    if (item.tells !== null) {
      toldMax = Math.max(toldMax, item.tells);
      sentMax = Math.max(sentMax, item.tells);
    }
    count += 1;
  }
  return { state: { ...withOutgoing(state, { ...log, queue: log.queue.slice(count), toldMax, sentMax }), credit }, effects };
}

function readAhead(state: Replication, tenant: string): Handled {
  const log = outgoingOf(state, tenant);
  if (log.busy || log.queue.length > 0) return unchanged(state);
  if (log.mode === "snapshot") return readSnapshot(state, log);
  if (log.mode === "stream" && log.part !== null) return readPart(state, log, log.part);
  if (log.mode !== "stream" || (log.read >= log.head && !log.tellAtOnce)) return unchanged(state);
  const { limits } = state.local;
  const singly = log.acknowledged < log.singlyUpTo;
  if (singly && log.read > log.acknowledged) return unchanged(state);
  const request = {
    tenant,
    after: log.read,
    peer: state.peer,
    peerVersion: state.peerVersion,
    towards: state.towards,
    grant: state.towards === "down" ? state.grant : null,
    bytesMax: singly ? 1 : limits.sliceBytes,
    rowsMax: singly ? 1 : limits.sliceRows,
  };
  return {
    state: withOutgoing(state, { ...log, busy: true }),
    effects: [{ type: "read-log", request, generation: log.generation, chainAfter: log.told, sendEmpty: log.tellAtOnce }],
  };
}

function readSnapshot(state: Replication, log: OutgoingLog): Handled {
  const { snapshot, tenant, generation } = log;
  if (snapshot === null) return unchanged(state);
  const busy = withOutgoing(state, { ...log, busy: true });
  if (snapshot.at === null) return { state: busy, effects: [{ type: "begin-snapshot", tenant, generation }] };
  const { grant, local, peerVersion } = state;
  const { at, cursor, tables } = snapshot;
  const page = { tenant, generation, grant, at, cursor, bytesMax: local.limits.pageBytes, peerVersion, tables };
  return { state: busy, effects: [{ type: "read-page", ...page }] };
}

export function onSliceRead(state: Replication, event: Extract<ReplicationEvent, { type: "slice-read" }>, at: Moment): Handled {
  const log = outgoingOf(state, event.tenant);
  if (log.generation !== event.generation) return unchanged(state);
  const head = Math.max(log.head, event.head);
  const last = event.messages.length - 1;
  const part = event.large === null ? null : outgoingPart(event.large, log.staged);
  if (last < 0) {
    const quietSinceMs = event.upTo > log.told ? (log.quietSinceMs ?? at.steadyMs) : log.quietSinceMs;
    return unchanged(withOutgoing(state, { ...log, busy: false, head, read: event.upTo, quietSinceMs, part }));
  }
  const queue = event.messages.map((bytes, index): Outbound => ({ bytes, tells: index === last ? event.upTo : null }));
  return unchanged(
    withOutgoing(state, {
      ...log,
      busy: false,
      head,
      read: event.upTo,
      told: event.upTo,
      queue,
      quietSinceMs: null,
      tellAtOnce: false,
      part,
    }),
  );
}

/** A log whose position the peer has not been told for a while is told it, though nothing in it was for the peer. */
export function tellQuietPositions(state: Replication, at: Moment): Handled {
  let result = unchanged(state);
  for (const log of state.outgoing.values()) {
    const quiet = log.quietSinceMs !== null && at.steadyMs - log.quietSinceMs >= state.local.limits.quietPositionMs;
    if (!quiet || log.busy || log.part !== null || log.mode !== "stream") continue;
    result = unchanged(withOutgoing(result.state, { ...log, read: log.told, tellAtOnce: true, quietSinceMs: null }));
  }
  return result;
}

export function onReadFailed(state: Replication, event: Extract<ReplicationEvent, { type: "read-failed" }>): Handled {
  const log = outgoingOf(state, event.tenant);
  if (log.generation !== event.generation) return unchanged(state);
  if (event.code !== "behind-horizon" || state.towards === "up") throw new SessionFault(event.code, event.details);
  const waiting = restart(log, log.told, { mode: "waiting" });
  const frame = { type: "reject", tenant: log.tenant, position: log.told, code: event.code, details: event.details } as const;
  return { state: withOutgoing(state, waiting), effects: [{ type: "send", frame }] };
}

/** The log from `position` on, with nothing under way. */
export function restart(log: OutgoingLog, position: number, changed: Partial<OutgoingLog>): OutgoingLog {
  return {
    ...log,
    generation: log.generation + 1,
    busy: false,
    queue: [],
    read: position,
    told: position,
    quietSinceMs: null,
    snapshot: null,
    finishing: null,
    tellAtOnce: false,
    part: null,
    staged: null,
    ...changed,
  };
}

export function onLogGrew(state: Replication, event: Extract<ReplicationEvent, { type: "log-grew" }>): Handled {
  let next = state;
  for (const { tenant, position } of event.heads) {
    const log = next.outgoing.get(tenant);
    if (log !== undefined && position > log.head) next = withOutgoing(next, { ...log, head: position });
  }
  return unchanged(next);
}

export function onAck(state: Replication, frame: AckFrame): Handled {
  const log = outgoingOf(state, frame.tenant);
  if (frame.incarnation !== log.incarnation) throw new SessionFault("frame-invalid", { field: "incarnation" });
  if (frame.position > log.toldMax)
    throw new SessionFault("frame-invalid", { field: "position", acknowledged: frame.position, sent: log.toldMax });
  const { tenant, incarnation } = log;
  const { level, top, outcomes } = frame;
  const position = Math.min(frame.position, Math.max(log.sentMax, log.acknowledged));
  const ack = {
    peer: state.peer,
    tenant,
    incarnation,
    position,
    level,
    top,
    outcomes,
    ...(level === "D4" && { safe: position }),
  };
  if (!log.recording) {
    return { state: withOutgoing(state, { ...log, recording: true }), effects: [{ type: "record-ack", ack }] };
  }
  const earlier = log.nextAck;
  const nextAck = earlier === null ? ack : joinAcks(earlier, ack);
  return unchanged(withOutgoing(state, { ...log, nextAck }));
}

/** Both acknowledgements in one; the level is that of the further one. */
function joinAcks(earlier: AckRecord, later: AckRecord): AckRecord {
  const further = later.position >= earlier.position ? later : earlier;
  const safe = Math.max(earlier.safe ?? 0, later.safe ?? 0);
  return { ...further, ...(safe > 0 && { safe }), outcomes: [...earlier.outcomes, ...later.outcomes] };
}

export function onAckRecorded(state: Replication, event: Extract<ReplicationEvent, { type: "ack-recorded" }>): Handled {
  const log = outgoingOf(state, event.ack.tenant);
  const progress = event.ack.position > log.acknowledged;
  const acknowledged = Math.max(log.acknowledged, event.ack.position);
  const next = { ...log, acknowledged, rejects: progress ? 0 : log.rejects, nextAck: null, recording: log.nextAck !== null };
  if (log.nextAck !== null) return { state: withOutgoing(state, next), effects: [{ type: "record-ack", ack: log.nextAck }] };
  return restampWhenRecorded(withOutgoing(state, next), next);
}

/** Nothing may be stamped again that the peer has taken, so the acknowledgements come first. */
function restampWhenRecorded(state: Replication, log: OutgoingLog): Handled {
  if (log.mode !== "restamping" || log.recording || log.busy) return unchanged(state);
  return { state: withOutgoing(state, { ...log, busy: true }), effects: [{ type: "restamp", tenant: log.tenant }] };
}

/**
 * The peer cannot take the stream as it came. It starts again where both sides agree. `clock-ahead` needs new stamps for
 * what the peer has not taken; what it took without our knowing it (a lost acknowledgement) must keep its stamps, so
 * that is sent again first, one commit at a time, until the acknowledgement is here.
 */
export function onReject(state: Replication, frame: RejectFrame): Handled {
  const log = outgoingOf(state, frame.tenant);
  if (frame.position > log.toldMax) throw new SessionFault("frame-invalid", { field: "position" });
  const rejects = log.rejects + 1;
  if (rejects > state.local.limits.rejectsMax) throw new SessionFault("limit-reached", { limit: "rejects", code: frame.code });
  const agreed = Math.min(frame.position, Math.max(log.acknowledged, log.nextAck?.position ?? 0));
  switch (frame.code) {
    case "sequence-gap":
    case "content-hash":
      if (log.mode !== "stream") return unchanged(state);
      return unchanged(withOutgoing(state, restart(log, state.towards === "up" ? agreed : frame.position, { rejects })));
    case "clock-ahead": {
      if (state.towards === "down") throw new SessionFault("clock-ahead", { reason: "child-refuses-parent" });
      if (agreed < frame.position) {
        return unchanged(withOutgoing(state, restart(log, agreed, { rejects, singlyUpTo: frame.position })));
      }
      const restamping = restart(log, agreed, { rejects, mode: "restamping" });
      return restampWhenRecorded(withOutgoing(state, restamping), restamping);
    }
    case "history-diverged":
      throw new SessionFault("history-diverged", { position: frame.position });
    default:
      throw new SessionFault("frame-invalid", { field: "code" });
  }
}

export function onRestamped(state: Replication, event: Extract<ReplicationEvent, { type: "restamped" }>): Handled {
  const log = outgoingOf(state, event.tenant);
  return unchanged(withOutgoing(state, restart(log, log.acknowledged, { mode: "stream" })));
}

/**
 * Where both sides agree. What the parent has taken but we have no acknowledgement of is sent again, as the answer carries the outcomes
 * that were lost with it; a parent that was set back gets what it lost. A copy has begun anew and comes back as what it is now.
 */
export function onHistorySettled(state: Replication, event: Extract<ReplicationEvent, { type: "history-settled" }>): Handled {
  const log = outgoingOf(state, event.tenant);
  const { after } = event;
  if (after === null) throw new SessionFault("history-diverged", { tenant: event.tenant, settled: true });
  const toldMax = Math.max(log.toldMax, after);
  return unchanged(withOutgoing(state, { ...log, mode: "stream", read: after, told: after, toldMax, sentMax: after }));
}
