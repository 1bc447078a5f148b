import type { PingFrame, PongFrame } from "../protocol/frame.ts";
import type { Moment } from "./moment.ts";
import type { Handled, Replication } from "./replication-state.ts";
import { unchanged } from "./replication-state.ts";
import { SessionFault } from "./session-fault.ts";

/** Ends a session whose peer is silent or too slow, and pings one that was quiet. */
export function beat(state: Replication, at: Moment): Handled {
  const { limits } = state.local;
  const silentMs = at.steadyMs - state.lastFrameMs;
  if (silentMs >= limits.silenceMs) throw new SessionFault("session-timeout", { silentMs });
  if (state.linkHighSinceMs !== null && at.steadyMs - state.linkHighSinceMs >= limits.slowConsumerMs) {
    throw new SessionFault("session-timeout", { reason: "slow-consumer" });
  }
  if (at.steadyMs - state.lastPingMs < limits.pingMs) return unchanged(state);
  return {
    state: { ...state, lastPingMs: at.steadyMs },
    effects: [{ type: "send", frame: { type: "ping", nowMs: at.nowMs } }],
  };
}

export function onPing(state: Replication, frame: PingFrame, at: Moment): Handled {
  return { state, effects: [{ type: "send", frame: { type: "pong", echoMs: frame.nowMs, nowMs: at.nowMs } }] };
}

/** The peer read its clock somewhere between our ping and now. */
export function onPong(state: Replication, frame: PongFrame, at: Moment): Handled {
  const skewMs = Math.round(frame.nowMs - (frame.echoMs + at.nowMs) / 2);
  return { state: { ...state, skewMs }, effects: [{ type: "skew", skewMs }] };
}
