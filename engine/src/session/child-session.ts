import type { ErrorCode } from "../error/error-codes.ts";
import type { Frame, HelloFrame, ReadyFrame, WelcomeFrame } from "../protocol/frame.ts";
import { guarded } from "./ending.ts";
import type { LocalSide } from "./local-side.ts";
import { DIGEST_EXTENSION, protocolVersion } from "./local-side.ts";
import type { Moment } from "./moment.ts";
import { refusalOfWelcome } from "./negotiation.ts";
import { onFrame, onTick, onWork, openReplication } from "./replication.ts";
import type { Replication } from "./replication-state.ts";
import type { SessionEffect, Step } from "./session-effect.ts";
import type { Positions, SessionEvent } from "./session-event.ts";
import { reportedFault, SessionFault } from "./session-fault.ts";

/** What a child knows before it dials. */
export interface ChildConfig {
  readonly local: LocalSide;
  readonly tenant: string;
  /** The node that must answer. */
  readonly parentNode: string;
  /** Tenants of which rows may still be missing since an earlier session took a snapshot. */
  readonly filling?: ReadonlySet<string>;
}

interface Idle {
  readonly phase: "idle";
  readonly config: ChildConfig;
}
interface Greeting {
  readonly phase: "greeting";
  readonly config: ChildConfig;
  readonly hello: HelloFrame;
  readonly sinceMs: number;
}
interface Checking extends Omit<Greeting, "phase"> {
  readonly phase: "checking";
  /** The parent's version of the catalog. */
  readonly parentVersion: number;
  /** Both sides have the extension by which rows are compared. */
  readonly compares: boolean;
}
interface Proving extends Omit<Checking, "phase"> {
  readonly phase: "proving";
  readonly positions: Positions;
}
interface Open {
  readonly phase: "open";
  readonly config: ChildConfig;
  readonly replication: Replication;
}
interface Closed {
  readonly phase: "closed";
}

/** The session of a replica with its parent. */
export type ChildSession = Idle | Greeting | Checking | Proving | Open | Closed;

type Phase = ChildSession["phase"];
type In<P extends Phase> = Extract<ChildSession, { phase: P }>;
type EventOf<E extends SessionEvent["type"]> = Extract<SessionEvent, { type: E }>;
type ChildStep = Step<ChildSession>;
/** Every phase answers every event: a cell that is missing does not compile. */
type Table = {
  readonly [P in Phase]: { readonly [E in SessionEvent["type"]]: (state: In<P>, event: EventOf<E>, at: Moment) => ChildStep };
};

const closed: Closed = { phase: "closed" };

export const childSession = (config: ChildConfig): ChildSession => ({ phase: "idle", config });

const stay = (state: ChildSession): ChildStep => ({ state, effects: [] });
const end = (code: ErrorCode, details = {}): ChildStep => {
  throw new SessionFault(code, details);
};
const refuse = (state: ChildSession, event: SessionEvent): ChildStep =>
  end("frame-unexpected", { phase: state.phase, event: event.type === "frame" ? event.frame.type : event.type });
const endGone = (): ChildStep => ({ state: closed, effects: [] });

const ends = {
  "frame-refused": (_state: ChildSession, event: EventOf<"frame-refused">) => end(event.code, event.details),
  failed: (_state: ChildSession, event: EventOf<"failed">) => end(event.code, event.details),
  stop: (_state: ChildSession, event: EventOf<"stop">) => end(event.code, event.details),
  closed: endGone,
  // Only a parent drains.
  drain: stay,
};

const handshake = {
  ...ends,
  opened: refuse,
  frame: (state: Greeting | Checking | Proving, event: EventOf<"frame">) => {
    if (event.frame.type === "error") throw reportedFault(event.frame);
    return refuse(state, event);
  },
  answer: stay,
  work: stay,
  tick: (state: Greeting | Checking | Proving, _event: EventOf<"tick">, at: Moment) => {
    const waitedMs = at.steadyMs - state.sinceMs;
    const { firstFrameMs, handshakeMs } = state.config.local.limits;
    const limitMs = state.phase === "greeting" ? firstFrameMs : handshakeMs;
    return waitedMs >= limitMs ? end("session-timeout", { phase: state.phase, waitedMs }) : stay(state);
  },
};

const table: Table = {
  idle: { ...ends, opened: greet, frame: refuse, answer: stay, work: stay, tick: stay },
  greeting: {
    ...handshake,
    frame: (state, event) => (event.frame.type === "welcome" ? onWelcome(state, event.frame) : handshake.frame(state, event)),
  },
  checking: { ...handshake, answer: onParentChecked },
  proving: {
    ...handshake,
    frame: (state, event, at) => (event.frame.type === "ready" ? onReady(state, event.frame, at) : handshake.frame(state, event)),
  },
  open: {
    ...ends,
    opened: refuse,
    frame: (state, event, at) => onOpenFrame(state, event.frame, event.bytes, at),
    answer: stay,
    work: (state, event, at) => replicated(state, onWork(state.replication, event.work, at)),
    tick: (state, _event, at) => replicated(state, onTick(state.replication, at)),
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

/** One step of the child's side: what happened, and when, gives the new state and what to do. Pure. */
export function stepChild(state: ChildSession, event: SessionEvent, at: Moment): ChildStep {
  // The table pairs each phase and event type with its own handler; the compiler cannot follow that through the lookup.
  const handle = table[state.phase][event.type] as (now: ChildSession, event: SessionEvent, at: Moment) => ChildStep;
  return guarded<ChildSession>(closed, () => handle(state, event, at));
}

function greet({ config }: Idle, event: EventOf<"opened">, at: Moment): ChildStep {
  const { local, tenant } = config;
  const hello: HelloFrame = {
    type: "hello",
    protocols: [protocolVersion],
    application: local.application,
    catalogVersion: local.catalogVersion,
    catalogHash: local.catalogHash,
    tenant,
    node: local.node,
    tier: local.tier,
    nonce: event.nonce,
    extensions: local.extensions ?? [],
  };
  return { state: { phase: "greeting", config, hello, sinceMs: at.steadyMs }, effects: [{ type: "send", frame: hello }] };
}

function onWelcome(state: Greeting, welcome: WelcomeFrame): ChildStep {
  const refusal = refusalOfWelcome(state.config.local, state.config.parentNode, welcome);
  if (refusal !== null) return end(refusal.code, refusal.details);
  const parentVersion = welcome.catalogVersion;
  const compares = welcome.extensions.includes(DIGEST_EXTENSION) && state.hello.extensions.includes(DIGEST_EXTENSION);
  return {
    state: { ...state, phase: "checking", parentVersion, compares },
    effects: [{ type: "check-parent", hello: state.hello, welcome }],
  };
}

function onParentChecked(state: Checking, event: EventOf<"answer">, at: Moment): ChildStep {
  const { answer } = event;
  if (answer.type !== "parent-checked") return refuse(state, event);
  if (!answer.valid) return end("auth-failed", { reason: "parent-signature" });
  const { positions, signature } = answer;
  const { heads, received, staged, copy, lives, horizons } = positions;
  const credit = state.config.local.limits.windowBytes;
  const frame: Frame = {
    type: "prove",
    signature,
    nowMs: at.nowMs,
    heads,
    received,
    staged,
    credit,
    ...(copy !== null && { copy }),
    ...(lives.length > 0 && { lives: lives.map(({ tenant, incarnation }) => ({ tenant, incarnation })) }),
    ...(horizons.length > 0 && { horizons }),
  };
  return { state: { ...state, phase: "proving", positions }, effects: [{ type: "send", frame }] };
}

function onReady(state: Proving, ready: ReadyFrame, at: Moment): ChildStep {
  const { config, positions } = state;
  const { local } = config;
  if (ready.grant.tenant !== config.tenant) return end("frame-invalid", { field: "grant" });
  const { parentNode: peer } = config;
  const established: SessionEffect = { type: "established", peer, as: peer, grant: ready.grant, top: ready.top };
  const opened = openReplication(
    {
      local,
      peer,
      node: peer,
      peerVersion: state.parentVersion,
      towards: "up",
      grant: ready.grant,
      compares: state.compares,
      ours: positions,
      theirs: ready,
      ...(config.filling && { filling: config.filling }),
    },
    at,
  );
  return { state: { phase: "open", config, replication: opened.state }, effects: [established, ...opened.effects] };
}

const replicated = (state: Open, handled: { state: Replication; effects: readonly SessionEffect[] }): ChildStep => ({
  state: { ...state, replication: handled.state },
  effects: handled.effects,
});

const onOpenFrame = (state: Open, frame: Frame, bytes: number, at: Moment): ChildStep =>
  replicated(state, onFrame(state.replication, frame, bytes, at));
