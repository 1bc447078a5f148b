import type { SnapshotRequestFrame } from "../protocol/frame.ts";
import { outgoingOf, restart } from "./outgoing-log.ts";
import type { Handled, OutgoingLog, Replication } from "./replication-state.ts";
import { unchanged, withOutgoing } from "./replication-state.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { SessionFault } from "./session-fault.ts";

/** A child asks for the rows of a log instead of its commits, from the start or from where it was interrupted. */
export function onSnapshotRequest(state: Replication, frame: SnapshotRequestFrame): Handled {
  const log = outgoingOf(state, frame.tenant);
  const rejects = log.rejects + 1;
  if (rejects > state.local.limits.rejectsMax) throw new SessionFault("limit-reached", { limit: "rejects", code: "snapshot" });
  const snapshot = { at: null, cursor: frame.cursor, tables: frame.tables };
  return unchanged(withOutgoing(state, restart(log, log.told, { mode: "snapshot", snapshot, rejects })));
}

export function onSnapshotBegun(state: Replication, event: Extract<ReplicationEvent, { type: "snapshot-begun" }>): Handled {
  const log = outgoingOf(state, event.tenant);
  if (log.generation !== event.generation || log.snapshot === null) return unchanged(state);
  return unchanged(withOutgoing(state, { ...log, busy: false, snapshot: { ...log.snapshot, at: event.at } }));
}

export function onPageRead(state: Replication, event: Extract<ReplicationEvent, { type: "page-read" }>): Handled {
  const log = outgoingOf(state, event.tenant);
  if (log.generation !== event.generation || log.snapshot === null) return unchanged(state);
  const queue = event.message === null ? [] : [{ bytes: event.message, tells: null }];
  // `cursor` null would start again: a finished snapshot is one whose `snapshot` is null while the mode still says so.
  const snapshot = event.message === null || event.next === null ? null : { ...log.snapshot, cursor: event.next };
  return unchanged(
    withOutgoing(state, { ...log, busy: false, queue, snapshot, finishing: snapshot === null ? log.snapshot.at : null }),
  );
}

/** After the last page: the snapshot is done, and the log goes on from where it began. */
export function finishSnapshots(state: Replication): Handled {
  const done = [...state.outgoing.values()].find((log): log is OutgoingLog => log.finishing !== null && log.queue.length === 0);
  if (done?.finishing === undefined || done.finishing === null) return unchanged(state);
  const at = done.finishing;
  const streaming = restart(done, at.position, {
    mode: "stream",
    incarnation: at.incarnation,
    finishing: null,
    tellAtOnce: true,
    toldMax: Math.max(done.toldMax, at.position),
    sentMax: Math.max(done.sentMax, at.position),
    head: Math.max(done.head, at.position),
  });
  return { state: withOutgoing(state, streaming), effects: [{ type: "send", frame: { type: "snapshot_done", at } }] };
}
