import type { ErrorCode } from "../error/error-codes.ts";
import type { Frame, HelloFrame, ProveFrame } from "../protocol/frame.ts";
import { guarded } from "./ending.ts";
import type { LocalSide } from "./local-side.ts";
import { DIGEST_EXTENSION, protocolVersion } from "./local-side.ts";
import type { Moment } from "./moment.ts";
import { refusalOfHello } from "./negotiation.ts";
import { onFrame, onTick, onWork, openReplication } from "./replication.ts";
import type { Replication } from "./replication-state.ts";
import type { SessionEffect, Step } from "./session-effect.ts";
import type { SessionEvent } from "./session-event.ts";
import { reportedFault, SessionFault } from "./session-fault.ts";

interface Base {
  readonly local: LocalSide;
  readonly nonce: Uint8Array;
  readonly sinceMs: number;
}
interface Idle {
  readonly phase: "idle";
  readonly local: LocalSide;
}
interface Waiting extends Base {
  readonly phase: "waiting";
}
interface Signing extends Base {
  readonly phase: "signing";
  readonly hello: HelloFrame;
}
interface Welcomed extends Base {
  readonly phase: "welcomed";
  readonly hello: HelloFrame;
}
interface Admitting extends Base {
  readonly phase: "admitting";
  readonly hello: HelloFrame;
  readonly prove: ProveFrame;
}
interface Open {
  readonly phase: "open";
  readonly replication: Replication;
}
interface Closed {
  readonly phase: "closed";
}

/** The session of a replica with one of its children. */
export type ParentSession = Idle | Waiting | Signing | Welcomed | Admitting | Open | Closed;

type Phase = ParentSession["phase"];
type In<P extends Phase> = Extract<ParentSession, { phase: P }>;
type EventOf<E extends SessionEvent["type"]> = Extract<SessionEvent, { type: E }>;
type ParentStep = Step<ParentSession>;
/** Every phase answers every event: a cell that is missing does not compile. */
type Table = {
  readonly [P in Phase]: { readonly [E in SessionEvent["type"]]: (state: In<P>, event: EventOf<E>, at: Moment) => ParentStep };
};

/** A child that a replica without its registry cannot judge is to come back so soon. */
const unreadyMs = 1_000;

const closed: Closed = { phase: "closed" };

export const parentSession = (local: LocalSide): ParentSession => ({ phase: "idle", local });

const stay = (state: ParentSession): ParentStep => ({ state, effects: [] });
const end = (code: ErrorCode, details = {}): ParentStep => {
  throw new SessionFault(code, details);
};
const refuse = (state: ParentSession, event: SessionEvent): ParentStep =>
  end("frame-unexpected", { phase: state.phase, event: event.type === "frame" ? event.frame.type : event.type });
const endGone = (): ParentStep => ({ state: closed, effects: [] });

const ends = {
  "frame-refused": (_state: ParentSession, event: EventOf<"frame-refused">) => end(event.code, event.details),
  failed: (_state: ParentSession, event: EventOf<"failed">) => end(event.code, event.details),
  stop: (_state: ParentSession, event: EventOf<"stop">) => end(event.code, event.details),
  closed: endGone,
};

type Handshaking = Waiting | Signing | Welcomed | Admitting;

const handshake = {
  ...ends,
  opened: refuse,
  frame: (state: Handshaking, event: EventOf<"frame">) => {
    if (event.frame.type === "error") throw reportedFault(event.frame);
    return refuse(state, event);
  },
  answer: stay,
  work: stay,
  drain: (_state: Handshaking, event: EventOf<"drain">) => end("draining", { afterMs: event.afterMs }),
  tick: (state: Handshaking, _event: EventOf<"tick">, at: Moment) => {
    const waitedMs = at.steadyMs - state.sinceMs;
    const { firstFrameMs, handshakeMs } = state.local.limits;
    const limitMs = state.phase === "waiting" ? firstFrameMs : handshakeMs;
    return waitedMs >= limitMs ? end("session-timeout", { phase: state.phase, waitedMs }) : stay(state);
  },
};

const table: Table = {
  idle: { ...ends, opened: wait, frame: refuse, answer: stay, work: stay, drain: endGone, tick: stay },
  waiting: {
    ...handshake,
    frame: (state, event) => (event.frame.type === "hello" ? onHello(state, event.frame) : handshake.frame(state, event)),
  },
  signing: { ...handshake, answer: onWelcomeSigned },
  welcomed: {
    ...handshake,
    frame: (state, event) => (event.frame.type === "prove" ? onProve(state, event.frame) : handshake.frame(state, event)),
  },
  admitting: { ...handshake, answer: onChildChecked },
  open: {
    ...ends,
    opened: refuse,
    frame: (state, event, at) => replicated(onFrame(state.replication, event.frame, event.bytes, at)),
    answer: stay,
    work: (state, event, at) => replicated(onWork(state.replication, event.work, at)),
    tick: (state, _event, at) => replicated(onTick(state.replication, at)),
    drain: (_state, event) => ({
      state: closed,
      effects: [
        { type: "send", frame: { type: "drain", afterMs: event.afterMs, url: null } },
        { type: "ended", code: "draining", details: { afterMs: event.afterMs }, by: "us" },
        { type: "close", code: "draining" },
      ],
    }),
  },
  closed: {
    opened: endGone,
    frame: endGone,
    "frame-refused": endGone,
    answer: endGone,
    work: endGone,
    failed: endGone,
    tick: endGone,
    stop: endGone,
    drain: endGone,
    closed: endGone,
  },
};

/** One step of the parent's side: what happened, and when, gives the new state and what to do. Pure. */
export function stepParent(state: ParentSession, event: SessionEvent, at: Moment): ParentStep {
  // The table pairs each phase and event type with its own handler; the compiler cannot follow that through the lookup.
  const handle = table[state.phase][event.type] as (now: ParentSession, event: SessionEvent, at: Moment) => ParentStep;
  return guarded<ParentSession>(closed, () => handle(state, event, at));
}

function wait({ local }: Idle, event: EventOf<"opened">, at: Moment): ParentStep {
  return stay({ phase: "waiting", local, nonce: event.nonce, sinceMs: at.steadyMs });
}

function onHello(state: Waiting, hello: HelloFrame): ParentStep {
  const refusal = refusalOfHello(state.local, hello);
  if (refusal !== null) return end(refusal.code, refusal.details);
  return { state: { ...state, phase: "signing", hello }, effects: [{ type: "sign-welcome", hello, nonce: state.nonce }] };
}

function onWelcomeSigned(state: Signing, event: EventOf<"answer">): ParentStep {
  if (event.answer.type !== "welcome-signed") return refuse(state, event);
  const { local, nonce } = state;
  const frame: Frame = {
    type: "welcome",
    protocol: protocolVersion,
    node: local.node,
    tier: local.tier,
    catalogVersion: local.catalogVersion,
    catalogHash: local.catalogHash,
    nonce,
    signature: event.answer.signature,
    extensions: state.hello.extensions.filter((name) => local.extensions?.includes(name) === true),
  };
  return { state: { ...state, phase: "welcomed" }, effects: [{ type: "send", frame }] };
}

function onProve(state: Welcomed, prove: ProveFrame): ParentStep {
  const { hello, nonce } = state;
  return { state: { ...state, phase: "admitting", prove }, effects: [{ type: "check-child", hello, nonce, prove }] };
}

/** Tenant, tier and grant are the registry's; whatever the child says about them is not looked at. */
function onChildChecked(state: Admitting, event: EventOf<"answer">, at: Moment): ParentStep {
  const { answer } = event;
  if (answer.type !== "child-checked") return refuse(state, event);
  if (answer.node === null)
    return answer.unready ? end("unavailable", { reason: "filling", afterMs: unreadyMs }) : end("auth-failed");
  const { local, prove, hello } = state;
  const { grant, node } = answer.node;
  const { heads, received, staged, chains, lives, offers } = answer.positions;
  const { peer } = answer;
  const peerVersion = hello.catalogVersion;
  const opened = openReplication(
    {
      local,
      peer,
      node,
      peerVersion,
      towards: "down",
      grant,
      compares: [hello.extensions, local.extensions].every((names) => names?.includes(DIGEST_EXTENSION) === true),
      ours: answer.positions,
      theirs: prove,
    },
    at,
  );
  const ready: Frame = {
    type: "ready",
    grant,
    nowMs: at.nowMs,
    top: local.top,
    heads,
    received,
    staged,
    credit: local.limits.windowBytes,
    pingMs: local.limits.pingMs,
    ...(chains.length > 0 && { chains }),
    ...(lives.length > 0 && { lives }),
    ...(offers.length > 0 && { offers }),
  };
  const effects: readonly SessionEffect[] = [
    { type: "established", peer: node, as: peer, grant, top: local.top },
    { type: "send", frame: ready },
    ...opened.effects,
  ];
  return { state: { phase: "open", replication: opened.state }, effects };
}

const replicated = (handled: { state: Replication; effects: readonly SessionEffect[] }): ParentStep => ({
  state: { phase: "open", replication: handled.state },
  effects: handled.effects,
});
