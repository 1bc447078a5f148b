import type { Frame } from "../protocol/frame.ts";
import type {
  ChainPoint,
  Cursor,
  Grant,
  LogHead,
  LogHorizon,
  LogLife,
  StagedCommit,
  UnfinishedSnapshot,
} from "../replica/replica-storage.ts";
import { beat, onPing, onPong } from "./heartbeat.ts";
import { onCompare, onComparisonAnswer, onComparisonAnswered, onComparisonQuestion } from "./comparing.ts";
import { endFilling, incomingLog, onApplied, onApplyFailed, onCommits } from "./incoming-log.ts";
import { onPart, onPartStaged } from "./incoming-part.ts";
import {
  onBehindHorizon,
  onPage,
  onPageApplied,
  onSnapshotDone,
  onSnapshotFinished,
  forgetUnfinished,
  onGrantTaken,
  refillAfter,
  requestSnapshot,
  tellGrant,
} from "./incoming-snapshot.ts";
import type { LocalSide } from "./local-side.ts";
import type { Moment } from "./moment.ts";
import {
  onAck,
  onAckRecorded,
  onHistorySettled,
  onLogGrew,
  onReadFailed,
  onReject,
  onRestamped,
  onSliceRead,
  outgoingLog,
  pump,
  tellQuietPositions,
} from "./outgoing-log.ts";
import { onPartRead } from "./outgoing-part.ts";
import { finishSnapshots, onPageRead, onSnapshotBegun, onSnapshotRequest } from "./outgoing-snapshot.ts";
import type { Handled, Replication } from "./replication-state.ts";
import { andThen, unchanged } from "./replication-state.ts";
import type { Positions, ReplicationEvent } from "./session-event.ts";
import type { SessionEffect } from "./session-effect.ts";
import { reportedFault, SessionFault } from "./session-fault.ts";
import { afterApply, onOutcomesDue, onSettled, onSettledRead, onTopMoved, tellAgain } from "./settled.ts";

/** What both sides told each other in the handshake. */
export interface Opening {
  readonly local: LocalSide;
  readonly peer: string;
  /** The peer's node. */
  readonly node: string;
  /** The peer's version of the catalog. */
  readonly peerVersion: number;
  readonly towards: "up" | "down";
  readonly grant: Grant;
  /** Both sides have the extension by which rows are compared. */
  readonly compares: boolean;
  /** Tenants of which rows may still be missing since an earlier session. */
  readonly filling?: ReadonlySet<string>;
  readonly ours: Positions;
  readonly theirs: {
    readonly heads: readonly LogHead[];
    readonly received: readonly Cursor[];
    readonly staged: readonly StagedCommit[];
    readonly credit: number;
    readonly nowMs: number;
    readonly chains?: readonly ChainPoint[];
    readonly lives?: readonly (LogLife & { readonly position?: number })[];
    readonly offers?: readonly string[];
    readonly horizons?: readonly LogHorizon[];
  };
}

const cursorOf = (cursors: readonly Cursor[], tenant: string): Cursor | undefined =>
  cursors.find((cursor) => cursor.tenant === tenant);

const unfinishedOf = ({ unfinished }: Positions, tenant: string): UnfinishedSnapshot | undefined =>
  unfinished.find((item) => item.at.tenant === tenant);

/** Opens both streams where the two sides stand. */
export function openReplication(opening: Opening, at: Moment): Handled {
  const { local, peer, node, peerVersion, towards, grant, ours, theirs } = opening;
  const logsUp = [grant.tenant];
  const logsDown = grant.tenant === local.sharedTenant ? [grant.tenant] : [local.sharedTenant, grant.tenant];
  const out = ours.heads.filter(({ tenant }) => (towards === "up" ? logsUp : logsDown).includes(tenant));
  const into = theirs.heads.filter(({ tenant }) => (towards === "up" ? logsDown : logsUp).includes(tenant));
  const state: Replication = {
    local,
    peer,
    node,
    peerVersion,
    towards,
    grant,
    outgoing: new Map(out.map((head) => [head.tenant, towards === "up" ? upward(head, opening) : downward(head, opening)])),
    incoming: new Map(
      into.map((head) => [
        head.tenant,
        incomingLog(head, receivedOf(head, opening), {
          unfinished: unfinishedOf(ours, head.tenant),
          staged: ours.staged.find(({ tenant }) => tenant === head.tenant),
          stillFilling: opening.filling?.has(head.tenant) === true,
          verifiedSeq: towards === "up" ? Infinity : (ours.chains.find((chain) => isOf(chain, head))?.seq ?? 0),
          horizon: theirs.horizons?.find((horizon) => isOf(horizon, head)) ?? null,
          offers: towards === "up" && theirs.offers?.includes(head.tenant) === true,
        }),
      ]),
    ),
    // Between versions rows differ on purpose.
    compares: opening.compares && peerVersion === local.catalogVersion,
    comparing: 0,
    credit: theirs.credit,
    linkHigh: false,
    linkHighSinceMs: null,
    held: 0,
    settled: new Map(towards === "down" ? into.map((head) => [head.incarnation, 0]) : []),
    readingSettled: false,
    settledAgain: false,
    lastFrameMs: at.steadyMs,
    lastPingMs: at.steadyMs,
    skewMs: theirs.nowMs - at.nowMs,
  };
  const opened: Handled = { state, effects: [{ type: "skew", skewMs: state.skewMs }] };
  if (towards === "up") {
    const full = into.reduce((step, head) => andThen(step, (now) => endFilling(now, head.tenant)), opened);
    const checked: Handled = {
      state: full.state,
      effects: [...full.effects, ...out.map((head) => settleHistory(head, opening))],
    };
    return andThen(
      andThen(fill(checked, opening), (now) => tellGrant(now, ours.granted)),
      pump,
    );
  }
  return andThen(
    andThen(opened, (now) => tellAgain(now, grant.tenant)),
    pump,
  );
}

const isOf = (log: { readonly tenant: string; readonly incarnation: string }, head: LogHead): boolean =>
  log.tenant === head.tenant && log.incarnation === head.incarnation;

/** Sent after what the parent has of it was compared with ours: this database may be a copy, or an older image of itself. */
function upward(head: LogHead, { ours, theirs }: Opening): ReturnType<typeof outgoingLog> {
  const received = cursorOf(theirs.received, head.tenant);
  const taken = received?.incarnation === head.incarnation ? received.position : 0;
  const recorded = cursorOf(ours.acknowledged, head.tenant);
  const acknowledged = recorded?.incarnation === head.incarnation ? recorded.position : 0;
  const start = Math.min(taken, acknowledged);
  const log = outgoingLog(head, start, acknowledged, {
    taken: Math.min(taken, head.position),
    staged: stagedOf(theirs.staged, head),
  });
  return { ...log, mode: "checking" };
}

const settleHistory = ({ tenant }: LogHead, { peer, theirs }: Opening): SessionEffect => {
  const chains = (theirs.chains ?? []).filter((chain) => chain.tenant === tenant);
  return { type: "settle-history", check: { peer, tenant, chains, received: cursorOf(theirs.received, tenant) ?? null } };
};

/**
 * A cursor that is good: of the present life of a log or, up to where that ended, of an earlier one. With any other, or when the parent
 * has lost what the child has, the child takes a snapshot.
 */
function knownCursor(
  received: Cursor | undefined,
  head: LogHead,
  lives: readonly (LogLife & { readonly position?: number })[],
  offers: readonly string[],
): Cursor | undefined {
  if (received === undefined || offers.includes(head.tenant)) return undefined;
  if (received.incarnation === head.incarnation) return received.position <= head.position ? received : undefined;
  const life = lives.find((item) => item.tenant === head.tenant && item.incarnation === received.incarnation);
  return life?.position !== undefined && received.position <= life.position ? received : undefined;
}

/** What of the peer's log is good here. A child's log that begins anew is a new log to its parent. */
function receivedOf(head: LogHead, { towards, ours, theirs }: Opening): Cursor | undefined {
  const received = cursorOf(ours.received, head.tenant);
  if (towards === "down") return received?.incarnation === head.incarnation ? received : undefined;
  return knownCursor(received, head, theirs.lives ?? [], theirs.offers ?? []);
}

function downward(head: LogHead, { ours, theirs }: Opening): ReturnType<typeof outgoingLog> {
  const from = knownCursor(cursorOf(theirs.received, head.tenant), head, ours.lives, ours.offers)?.position ?? null;
  return outgoingLog(head, from, from ?? 0, { taken: from ?? 0, staged: stagedOf(theirs.staged, head) });
}

function fill(opened: Handled, opening: Opening): Handled {
  const { ours, theirs } = opening;
  let result = opened;
  for (const head of theirs.heads) {
    if (!opened.state.incoming.has(head.tenant)) continue;
    // After an upgrade the rows of some tables are wanted although the log goes on.
    const isPartial = (unfinishedOf(ours, head.tenant)?.tables ?? null) !== null;
    const isKnown = receivedOf(head, opening) !== undefined;
    if (isKnown && !isPartial) continue;
    if (isPartial && !isKnown) result = andThen(result, (now) => unchanged(forgetUnfinished(now, head.tenant)));
    result = andThen(result, (now) => requestSnapshot(now, head.tenant));
  }
  return result;
}

const stagedOf = (staged: readonly StagedCommit[], head: LogHead): StagedCommit | null =>
  staged.find(({ tenant, incarnation }) => tenant === head.tenant && incarnation === head.incarnation) ?? null;

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;
type FrameHandlers = {
  readonly [Type in Frame["type"]]: (state: Replication, frame: FrameOf<Type>, bytes: number, at: Moment) => Handled;
};

const unexpected = (_state: Replication, frame: Frame): Handled => {
  throw new SessionFault("frame-unexpected", { frame: frame.type });
};

const onCredit = (state: Replication, frame: FrameOf<"credit">): Handled => {
  const credit = state.credit + frame.bytes;
  if (!Number.isSafeInteger(credit)) throw new SessionFault("frame-invalid", { field: "bytes" });
  return unchanged({ ...state, credit });
};

/** What the peer reports before it closes; the link's end follows. */
const onError = (_state: Replication, frame: FrameOf<"error">): Handled => {
  throw reportedFault(frame);
};

const common = {
  hello: unexpected,
  welcome: unexpected,
  prove: unexpected,
  ready: unexpected,
  commits: (state, frame, bytes) => onCommits(state, frame, bytes),
  part: (state, frame, bytes) => onPart(state, frame, bytes),
  ack: (state, frame) => onAck(state, frame),
  credit: onCredit,
  ping: (state, frame, _bytes, at) => onPing(state, frame, at),
  pong: (state, frame, _bytes, at) => onPong(state, frame, at),
} as const satisfies Partial<FrameHandlers>;

const fromParent: FrameHandlers = {
  ...common,
  reject: (state, frame) => (frame.code === "behind-horizon" ? onBehindHorizon(state, frame) : onReject(state, frame)),
  settled: onSettled,
  snapshot: unexpected,
  page: (state, frame, bytes) => onPage(state, frame, bytes),
  snapshot_done: (state, frame) => onSnapshotDone(state, frame),
  compare: unexpected,
  compare_rows: unexpected,
  repair: unexpected,
  compared: onComparisonAnswer,
  rows_compared: onComparisonAnswer,
  repaired: onComparisonAnswer,
  drain: (state, frame) => ({ state, effects: [{ type: "come-back", afterMs: frame.afterMs, url: frame.url }] }),
  error: onError,
};

const fromChild: FrameHandlers = {
  ...common,
  reject: (state, frame) => onReject(state, frame),
  settled: unexpected,
  snapshot: (state, frame) => onSnapshotRequest(state, frame),
  page: unexpected,
  snapshot_done: unexpected,
  compare: onComparisonQuestion,
  compare_rows: onComparisonQuestion,
  repair: onComparisonQuestion,
  compared: unexpected,
  rows_compared: unexpected,
  repaired: unexpected,
  drain: unexpected,
  error: onError,
};
/** One frame of an open session. */
export function onFrame(state: Replication, frame: Frame, bytes: number, at: Moment): Handled {
  const handlers = state.towards === "up" ? fromParent : fromChild;
  // The table pairs each type with its own handler; the compiler cannot follow the pairing through the lookup.
  const handle = handlers[frame.type] as (now: Replication, frame: Frame, bytes: number, at: Moment) => Handled;
  const heard = { ...state, lastFrameMs: at.steadyMs };
  return settle(handle(heard, frame, bytes, at));
}

type WorkHandlers = {
  readonly [Type in ReplicationEvent["type"]]: (
    state: Replication,
    event: Extract<ReplicationEvent, { type: Type }>,
    at: Moment,
  ) => Handled;
};

const workHandlers: WorkHandlers = {
  "log-grew": onLogGrew,
  "slice-read": onSliceRead,
  "read-failed": onReadFailed,
  applied: (state, event) => {
    const probed = state.incoming.get(event.tenant)?.applying?.probe === true;
    const filled = andThen(onApplied(state, event), (now) => refillAfter(now, event.tenant, event.result.refill === true));
    return andThen(filled, (now) => afterApply(now, event.tenant, probed));
  },
  "part-read": onPartRead,
  "part-staged": onPartStaged,
  "apply-failed": onApplyFailed,
  "ack-recorded": onAckRecorded,
  restamped: onRestamped,
  "history-settled": onHistorySettled,
  "top-moved": onTopMoved,
  "outcomes-due": onOutcomesDue,
  "settled-read": onSettledRead,
  "snapshot-begun": onSnapshotBegun,
  "page-read": onPageRead,
  "page-applied": onPageApplied,
  "snapshot-finished": onSnapshotFinished,
  "grant-taken": onGrantTaken,
  compare: onCompare,
  "comparison-answered": onComparisonAnswered,
  pressure: (state, event, at) =>
    unchanged({ ...state, linkHigh: event.high, linkHighSinceMs: event.high ? (state.linkHighSinceMs ?? at.steadyMs) : null }),
};

/** What became of an effect, or news from the replica. */
export function onWork(state: Replication, event: ReplicationEvent, at: Moment): Handled {
  const handle = workHandlers[event.type] as (now: Replication, event: ReplicationEvent, at: Moment) => Handled;
  return settle(handle(state, event, at));
}

export function onTick(state: Replication, at: Moment): Handled {
  return settle(andThen(beat(state, at), (now) => tellQuietPositions(now, at)));
}

/** After every step: send what may be sent now, and end snapshots whose last page is gone. */
const settle = (handled: Handled): Handled => andThen(andThen(andThen(handled, pump), finishSnapshots), pump);
