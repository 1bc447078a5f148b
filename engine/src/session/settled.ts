import type { SettledFrame } from "../protocol/frame.ts";
import { enqueue, incomingOf } from "./incoming-log.ts";
import type { Handled, Replication } from "./replication-state.ts";
import { unchanged } from "./replication-state.ts";
import type { ReplicationEvent } from "./session-event.ts";

/**
 * Something of this tenant came further up: the child is told what became of its commits there, and then how far they have
 * come, in this order, so that it never takes a refused commit for an applied one.
 */
export const onTopMoved = (state: Replication, event: Extract<ReplicationEvent, { type: "top-moved" }>): Handled =>
  state.local.top ? unchanged(state) : probe(state, event.tenant);

/** Outcomes have changed without a commit of the child: something that was held is settled. */
export const onOutcomesDue = (state: Replication, event: Extract<ReplicationEvent, { type: "outcomes-due" }>): Handled =>
  probe(state, event.tenant);

function probe(state: Replication, tenant: string): Handled {
  const log = state.incoming.get(tenant);
  if (state.towards === "up" || log === undefined || log.mode === "snapshot") return unchanged(state);
  if (log.queue.some((item) => item.type === "probe")) return unchanged(state);
  return enqueue(state, tenant, { type: "probe", after: null });
}

/** Positions whose outcomes are told again when a child comes back: more than were ever under way in a session that broke. */
const toldAgain = 20_000;

/**
 * A child that comes back may have missed an acknowledgement that carried outcomes and no new position, and then has no
 * reason to send anything again: what was told lately is told once more.
 */
export function tellAgain(state: Replication, tenant: string): Handled {
  const log = state.incoming.get(tenant);
  if (state.towards === "up" || log === undefined) return unchanged(state);
  // Before 0: the first part of a slice that was cut into several frames is acknowledged at position 0.
  return enqueue(state, tenant, { type: "probe", after: Math.max(-1, log.position - toldAgain) });
}

/** After a probe. */
export function afterApply(state: Replication, tenant: string, probed: boolean): Handled {
  return probed && !state.local.top ? readSettled(state, tenant) : unchanged(state);
}

function readSettled(state: Replication, tenant: string): Handled {
  if (state.readingSettled) return unchanged({ ...state, settledAgain: true });
  if (state.settled.size === 0) return unchanged(state);
  return {
    state: { ...state, readingSettled: true, settledAgain: false },
    effects: [{ type: "read-settled", tenant, origins: [...state.settled.keys()] }],
  };
}

export function onSettledRead(state: Replication, event: Extract<ReplicationEvent, { type: "settled-read" }>): Handled {
  const origins = event.origins.filter(({ origin, seq }) => seq > (state.settled.get(origin) ?? 0));
  const idle = { ...state, readingSettled: false };
  const again = state.settledAgain ? readSettled(idle, event.tenant) : unchanged(idle);
  if (origins.length === 0) return again;
  const settled = new Map(again.state.settled);
  for (const { origin, seq } of origins) settled.set(origin, seq);
  const frame = { type: "settled", tenant: event.tenant, origins } as const;
  return { state: { ...again.state, settled }, effects: [{ type: "send", frame }, ...again.effects] };
}

/** Our parent says how far our commits, and those of our children, have come. */
export function onSettled(state: Replication, frame: SettledFrame): Handled {
  const { tenant } = incomingOf(state, frame.tenant);
  if (frame.origins.length === 0) return unchanged(state);
  return { state, effects: [{ type: "record-settled", tenant, origins: frame.origins }] };
}
