import type { PageFrame, RejectFrame, SnapshotDoneFrame } from "../protocol/frame.ts";
import { applyNext, enqueue, hold, incomingOf, release } from "./incoming-log.ts";
import type { Handled, Replication } from "./replication-state.ts";
import { andThen, unchanged, withIncoming } from "./replication-state.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { grantText } from "../scope/grant-text.ts";
import { SessionFault } from "./session-fault.ts";

/**
 * Asks the parent for the rows of a log; an interrupted snapshot of the same log goes on where it stopped. Remembers how much of
 * our own log the parent has by now: of what comes after, its pages may know nothing, also when it is acknowledged meanwhile.
 */
export function requestSnapshot(state: Replication, tenant: string): Handled {
  const log = incomingOf(state, tenant);
  const rejects = log.rejects + 1;
  if (rejects > state.local.limits.rejectsMax) throw new SessionFault("behind-horizon", {});
  const resumed = log.unfinished?.at.incarnation === log.incarnation ? log.unfinished : undefined;
  const own = state.outgoing.get(tenant);
  const ownAfter = own === undefined ? 0 : Math.min(own.acknowledged, own.told);
  const tables = resumed?.tables ?? null;
  const asked = {
    mode: "snapshot",
    snapshotAt: resumed?.at ?? null,
    snapshotTables: tables,
    unfinished: null,
    ownAfter,
    paged: resumed !== undefined,
    fillUntil: "unknown",
  } as const;
  const next = { ...log, ...asked, rejects, parts: null };
  return {
    state: withIncoming(state, next),
    effects: [
      { type: "filling", tenant, filling: true },
      { type: "send", frame: { type: "snapshot", tenant, cursor: resumed?.cursor ?? null, tables } },
    ],
  };
}

/** What an earlier session left does not serve any more: the next snapshot is a whole one. */
export const forgetUnfinished = (state: Replication, tenant: string): Replication =>
  withIncoming(state, { ...incomingOf(state, tenant), unfinished: null });

/** Stores the grant of this session when another was in force, or none is known. */
export function tellGrant(state: Replication, before: string | null): Handled {
  const granted = grantText(state.grant);
  if (granted === before) return unchanged(state);
  return { state, effects: [{ type: "take-grant", tenant: state.grant.tenant, granted }] };
}

/** Under another grant, other rows are ours to hold: a snapshot brings them and shows which are not. */
export function onGrantTaken(state: Replication, event: Extract<ReplicationEvent, { type: "grant-taken" }>): Handled {
  const log = state.incoming.get(event.tenant);
  if (!event.changed || log === undefined) return unchanged(state);
  return requestSnapshot(forgetUnfinished(state, event.tenant), event.tenant);
}

/** Rows that came into scope have others beneath them, which are in no commit: a snapshot brings them. */
export function refillAfter(state: Replication, tenant: string, refill: boolean): Handled {
  const log = incomingOf(state, tenant);
  if (!refill || log.mode === "snapshot") return unchanged(state);
  return requestSnapshot(forgetUnfinished(state, tenant), tenant);
}

/** The parent cannot go on where we are, because it pruned its log. */
export function onBehindHorizon(state: Replication, frame: RejectFrame): Handled {
  if (frame.code !== "behind-horizon") throw new SessionFault("frame-invalid", { field: "code" });
  return requestSnapshot(state, frame.tenant);
}

export function onPage(state: Replication, frame: PageFrame, bytes: number): Handled {
  const log = incomingOf(state, frame.chunk.tenant);
  if (log.mode !== "snapshot") throw new SessionFault("frame-unexpected", { frame: "page" });
  if (frame.at.incarnation !== log.incarnation) throw new SessionFault("frame-invalid", { field: "incarnation" });
  if (frame.at.tenant !== log.tenant) throw new SessionFault("frame-invalid", { field: "tenant" });
  // A resumed snapshot began earlier than this answer to it: its tail starts where the first page was read.
  const at = log.snapshotAt ?? frame.at;
  const held = hold(state, bytes);
  const page = { ...frame, at };
  return enqueue(withIncoming(held, { ...log, snapshotAt: at }), log.tenant, { type: "page", page, bytes });
}

export function onSnapshotDone(state: Replication, frame: SnapshotDoneFrame): Handled {
  const log = incomingOf(state, frame.at.tenant);
  if (log.mode !== "snapshot") throw new SessionFault("frame-unexpected", { frame: "snapshot_done" });
  if (frame.at.incarnation !== log.incarnation) throw new SessionFault("frame-invalid", { field: "incarnation" });
  const at = log.snapshotAt ?? frame.at;
  const next = { ...log, mode: "stream", snapshotAt: null, position: at.position, end: at.position } as const;
  return enqueue(withIncoming(state, next), log.tenant, { type: "done", done: { type: "snapshot_done", at } });
}

export function onPageApplied(state: Replication, event: Extract<ReplicationEvent, { type: "page-applied" }>): Handled {
  const log = incomingOf(state, event.tenant);
  const bytes = log.applying?.bytes ?? 0;
  const next = withIncoming(state, { ...log, applying: null, rejects: 0 });
  return andThen(release(next, bytes), (now) => applyNext(now, event.tenant));
}

export function onSnapshotFinished(state: Replication, event: Extract<ReplicationEvent, { type: "snapshot-finished" }>): Handled {
  const log = incomingOf(state, event.tenant);
  const { tenant, incarnation, position } = log;
  const { level, top } = state.local;
  const frame = { type: "ack", tenant, incarnation, position, level, top, outcomes: [] } as const;
  const told: Handled = { state: withIncoming(state, { ...log, applying: null }), effects: [{ type: "send", frame }] };
  return andThen(told, (now) => applyNext(now, tenant));
}
