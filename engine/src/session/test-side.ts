/** Sides of a session for tests: opened, and stepped by hand. */

import type { Frame } from "../protocol/frame.ts";
import type { ApplyResult, LogHead, StagedCommit } from "../replica/replica-storage.ts";
import { childSession, stepChild } from "./child-session.ts";
import type { LocalSide } from "./local-side.ts";
import { parentSession, stepParent } from "./parent-session.ts";
import type { SessionEffect, Step } from "./session-effect.ts";
import { nowhere, type Positions, type ReplicationEvent, type SessionEvent } from "./session-event.ts";
import { defaultSessionLimits } from "./session-limits.ts";

export const shared = "everyone";
export const tenant = "t1";
export const uuid = (digit: string): string => `${digit.repeat(8)}-0000-7000-8000-000000000000`;
export const local = (tier: string): LocalSide => ({
  node: uuid(tier === "edge" ? "e" : "c"),
  tier,
  application: "test",
  catalogVersion: 3,
  catalogVersionOldest: 2,
  catalogHash: new Uint8Array(32),
  sharedTenant: shared,
  level: "D2",
  top: tier === "cloud",
  limits: { ...defaultSessionLimits, windowBytes: 1_000, queuedFramesMax: 4, rejectsMax: 3 },
  frameBytesMax: 500,
});
const head = (of: string, position: number, incarnation = uuid("1")): LogHead => ({
  tenant: of,
  incarnation,
  position,
  seq: position,
  stamp: 0n,
});
export const grant = { tenant, tier: "edge", role: "crew", scopes: {} };
export const signature = new Uint8Array(64);
export const nonce = new Uint8Array(32);

/** One side of a session, stepped by hand. */
export class Side<State> {
  state: State;
  nowMs = 0;
  effects: readonly SessionEffect[] = [];
  readonly #step: (state: State, event: SessionEvent, at: { nowMs: number; steadyMs: number }) => Step<State>;

  constructor(initial: State, step: Side<State>["at"]) {
    this.state = initial;
    this.#step = step;
  }

  declare readonly at: (state: State, event: SessionEvent, at: { nowMs: number; steadyMs: number }) => Step<State>;

  do(event: SessionEvent): readonly SessionEffect[] {
    const { state, effects } = this.#step(this.state, event, { nowMs: 1_000_000 + this.nowMs, steadyMs: this.nowMs });
    this.state = state;
    this.effects = effects;
    return effects;
  }

  frame(frame: Frame, bytes = 10): readonly SessionEffect[] {
    return this.do({ type: "frame", frame, bytes });
  }

  work(work: ReplicationEvent): readonly SessionEffect[] {
    return this.do({ type: "work", work });
  }

  sent<Type extends Frame["type"]>(type: Type): readonly Extract<Frame, { type: Type }>[] {
    return this.effects.flatMap((effect) =>
      effect.type === "send" && effect.frame.type === type ? [effect.frame as Extract<Frame, { type: Type }>] : [],
    );
  }
}

export function openParent(
  received: Positions["received"] = [],
  log: readonly LogHead[] = [head(shared, 0), head(tenant, 0, uuid("2"))],
) {
  const side = new Side(parentSession(local("cloud")), stepParent);
  const child = local("edge");
  side.do({ type: "opened", nonce });
  side.frame({
    type: "hello",
    protocols: [1],
    application: "test",
    catalogVersion: 3,
    catalogHash: child.catalogHash,
    tenant,
    node: child.node,
    tier: "edge",
    nonce,
    extensions: [],
  });
  side.do({ type: "answer", answer: { type: "welcome-signed", signature } });
  side.frame({
    type: "prove",
    signature,
    nowMs: 1_000_000,
    heads: [head(tenant, 50)],
    received: log.map(({ tenant: of, incarnation, position }) => ({ tenant: of, incarnation, position })),
    staged: [],
    credit: 1_000,
  });
  side.do({
    type: "answer",
    answer: {
      type: "child-checked",
      node: { node: child.node, grant },
      peer: child.node,
      positions: { ...nowhere, heads: log, received },
      unready: false,
    },
  });
  // The probe for outcomes that the child may have missed.
  side.work({ type: "applied", tenant, result: result(received[0]?.position ?? 0) });
  return side;
}

export function openChild(
  acknowledged: number,
  taken: number,
  ahead?: { readonly received: number; readonly head: number },
  staged: readonly StagedCommit[] = [],
) {
  const filling = ahead === undefined ? new Set<string>() : new Set([tenant]);
  const side = new Side(childSession({ local: local("edge"), tenant, parentNode: uuid("c"), filling }), stepChild);
  const parent = local("cloud");
  side.do({ type: "opened", nonce });
  side.frame({
    type: "welcome",
    protocol: 1,
    node: parent.node,
    tier: "cloud",
    catalogVersion: 3,
    catalogHash: parent.catalogHash,
    nonce,
    signature,
    extensions: [],
  });
  const cursor = (position: number) => ({ tenant, incarnation: uuid("1"), position });
  const received = ahead === undefined ? [] : [cursor(ahead.received)];
  const positions = {
    ...nowhere,
    heads: [head(tenant, 100)],
    received,
    acknowledged: [cursor(acknowledged)],
  };
  side.do({ type: "answer", answer: { type: "parent-checked", valid: true, signature, positions } });
  side.frame({
    type: "ready",
    grant,
    nowMs: 1_000_000,
    top: true,
    heads: ahead === undefined ? [] : [head(tenant, ahead.head)],
    received: [cursor(taken)],
    staged,
    credit: 1_000,
    pingMs: 20_000,
  });
  const opening = side.effects;
  side.work({ type: "history-settled", tenant, after: taken > 100 ? null : Math.min(acknowledged, taken) });
  side.effects = [...opening, ...side.effects];
  return side;
}

export const slice = (after: number, upTo: number, of = tenant): Frame => ({
  type: "commits",
  slice: { tenant: of, incarnation: uuid("1"), after, upTo, head: upTo, commits: [] },
});
export const result = (position: number): ApplyResult => ({
  position,
  outcomes: [],
  rowsApplied: 0,
  commitsApplied: 0,
  commitsDuplicate: 0,
});
export const kinds = (effects: readonly SessionEffect[]): readonly string[] =>
  effects.map((effect) => (effect.type === "send" ? effect.frame.type : effect.type));
export const endCode = (effects: readonly SessionEffect[]): string | null =>
  effects.find((effect) => effect.type === "ended")?.code ?? null;
