import { changesBytes } from "../commit/changes-bytes.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";
import type { CommitsFrame, PageFrame } from "../protocol/frame.ts";
import type {
  ApplyResult,
  CommitOutcome,
  Cursor,
  LogHead,
  LogHorizon,
  LogSlice,
  StagedCommit,
  UnfinishedSnapshot,
} from "../replica/replica-storage.ts";
import { applyPart } from "./apply-part.ts";
import { applySource, lastOwnSeq } from "./apply-source.ts";
import type { Handled, IncomingLog, Inbound, Replication } from "./replication-state.ts";
import { andThen, unchanged, withIncoming } from "./replication-state.ts";
import type { SessionEffect } from "./session-effect.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { SessionFault } from "./session-fault.ts";

/** What an earlier session left unfinished. */
export interface Interrupted {
  readonly unfinished: UnfinishedSnapshot | undefined;
  readonly staged: StagedCommit | undefined;
  readonly stillFilling: boolean;
  readonly verifiedSeq: number;
  readonly horizon: LogHorizon | null;
  readonly offers: boolean;
}

/** The peer's log, as far as we have it: up to `received`, which may be stored under an earlier life of the log. */
export function incomingLog(
  head: LogHead,
  received: Cursor | undefined,
  { unfinished, staged, stillFilling, verifiedSeq, horizon, offers }: Interrupted,
): IncomingLog {
  // What the peer holds no more cannot come.
  const position = Math.max(received?.position ?? 0, horizon?.position ?? 0);
  return {
    tenant: head.tenant,
    incarnation: head.incarnation,
    mode: "stream",
    position,
    end: position,
    queue: [],
    applying: null,
    verifiedSeq,
    horizon,
    offers,
    continues: received === undefined || received.incarnation === head.incarnation ? null : received.incarnation,
    rejects: 0,
    toldUpTo: null,
    safeTold: 0,
    snapshotAt: null,
    snapshotTables: null,
    unfinished: unfinished ?? null,
    ownAfter: 0,
    paged: false,
    // All pages were read before this head.
    fillUntil: stillFilling ? head.position : null,
    parts:
      staged?.incarnation === head.incarnation && staged.position > position
        ? { position: staged.position, count: staged.parts }
        : null,
  };
}

export function incomingOf(state: Replication, tenant: string): IncomingLog {
  const log = state.incoming.get(tenant);
  if (log === undefined) throw new SessionFault("frame-unexpected", { reason: "not-your-log" });
  return log;
}

/** Counts a bulk frame against the window we granted. */
export function hold(state: Replication, bytes: number): Replication {
  const held = state.held + bytes;
  const { windowBytes } = state.local.limits;
  // A sender may start a frame while any credit is left, so one frame may reach beyond it.
  if (held > windowBytes + state.local.frameBytesMax)
    throw new SessionFault("limit-reached", { limit: "windowBytes", windowBytes });
  return { ...state, held };
}

/** Gives bytes back to the sender. */
export function release(state: Replication, bytes: number): Handled {
  if (bytes === 0) return unchanged(state);
  return { state: { ...state, held: state.held - bytes }, effects: [{ type: "send", frame: { type: "credit", bytes } }] };
}

export function onCommits(state: Replication, frame: CommitsFrame, bytes: number): Handled {
  const { slice } = frame;
  const log = incomingOf(state, slice.tenant);
  checkSlice(log, slice);
  const held = hold(state, bytes);
  if (log.mode === "snapshot" || (log.mode === "resync" && slice.after > log.end)) return release(held, bytes);
  if (slice.after > log.end) {
    return andThen(refuse(held, log, "sequence-gap", { expected: log.end, after: slice.after }), (now) => release(now, bytes));
  }
  const known = slice.commits.length === 0 ? held : withOrigins(held, slice);
  const fillUntil = log.fillUntil === "unknown" ? slice.head : log.fillUntil;
  const end = Math.max(log.end, slice.upTo);
  return enqueue(withIncoming(known, { ...log, mode: "stream", fillUntil, end, parts: null }), slice.tenant, {
    type: "slice",
    slice,
    bytes,
  });
}

export function checkSlice(log: IncomingLog, slice: LogSlice): void {
  if (slice.incarnation !== log.incarnation) throw new SessionFault("frame-invalid", { field: "incarnation" });
  if (slice.after > slice.upTo) throw new SessionFault("frame-invalid", { field: "upTo" });
  if (slice.commits.some((commit) => commit.tenant !== slice.tenant))
    throw new SessionFault("frame-invalid", { field: "tenant" });
}

/** Remembers whose commits came through this peer: it wants to know when they are at the top. */
export function withOrigins(state: Replication, slice: LogSlice): Replication {
  if (state.towards === "up") return state;
  const fresh = new Set(slice.commits.map((commit) => commit.origin).filter((origin) => !state.settled.has(origin)));
  if (fresh.size === 0) return state;
  const settled = new Map(state.settled);
  for (const origin of fresh) settled.set(origin, 0);
  if (settled.size > state.local.limits.originsMax) {
    const [oldest] = settled.keys();
    if (oldest !== undefined) settled.delete(oldest);
  }
  return { ...state, settled };
}

export function enqueue(state: Replication, tenant: string, item: Inbound): Handled {
  const log = incomingOf(state, tenant);
  if (log.queue.length >= state.local.limits.queuedFramesMax) {
    throw new SessionFault("limit-reached", { limit: "queuedFramesMax", queuedFramesMax: log.queue.length });
  }
  return applyNext(withIncoming(state, { ...log, queue: [...log.queue, item] }), tenant);
}

/** Begins to apply what waits, several small slices at once. */
export function applyNext(state: Replication, tenant: string): Handled {
  const log = incomingOf(state, tenant);
  const [first] = log.queue;
  if (log.applying !== null || first === undefined) return unchanged(state);
  if (first.type === "slice") return applySlices(state, log, first.slice);
  const queue = log.queue.slice(1);
  if (first.type === "part") return applyPart(state, { ...log, queue }, first);
  if (first.type === "probe") return applyProbe(state, { ...log, queue }, first.after);
  if (first.type === "page") return applyPages(state, log);
  const applying = { bytes: 0, upTo: first.done.at.position };
  return {
    state: withIncoming(state, { ...log, queue, applying }),
    effects: [{ type: "finish-snapshot", at: first.done.at, goesOn: log.paged }],
  };
}

/** Applies the pages that wait, up to a number of rows, in one transaction: many tables have no rows at all. */
function applyPages(state: Replication, log: IncomingLog): Handled {
  const { applyRows } = state.local.limits;
  const pages: PageFrame[] = [];
  let bytes = 0;
  let rows = 0;
  for (const item of log.queue) {
    if (item.type !== "page" || (pages.length > 0 && rows + item.page.chunk.change.rowCount > applyRows)) break;
    pages.push(item.page);
    bytes += item.bytes;
    rows += item.page.chunk.change.rowCount;
  }
  return {
    state: withIncoming(state, {
      ...log,
      queue: log.queue.slice(pages.length),
      applying: { bytes, upTo: log.position },
      paged: true,
    }),
    effects: [
      {
        type: "apply-pages",
        tenant: log.tenant,
        pages,
        ownAfter: log.ownAfter,
        peerVersion: state.peerVersion,
        tables: log.snapshotTables,
        offers: log.offers,
        goesOn: log.paged,
      },
    ],
  };
}

/** An empty slice at our own position: it applies nothing, and its result holds the outcomes that are still to be told. */
function applyProbe(state: Replication, log: IncomingLog, after: number | null): Handled {
  const { tenant, incarnation, position } = log;
  const slice = { tenant, incarnation, after: after ?? position, upTo: position, head: position, commits: [] };
  return {
    state: withIncoming(state, { ...log, applying: { bytes: 0, after: slice.after, upTo: position, probe: true } }),
    effects: [{ type: "apply", request: { ...applySource(state, log), slice } }],
  };
}

function applySlices(state: Replication, log: IncomingLog, first: LogSlice): Handled {
  const { applyRows, applyCommits } = state.local.limits;
  const joined: LogSlice[] = [];
  let bytes = 0;
  let rows = 0;
  let commits = 0;
  let end = first.after;
  for (const item of log.queue) {
    if (
      item.type !== "slice" ||
      (joined.length > 0 && (item.slice.after !== end || rows >= applyRows || commits >= applyCommits))
    )
      break;
    joined.push(item.slice);
    bytes += item.bytes;
    rows += rowsOf(item.slice);
    commits += item.slice.commits.length;
    end = item.slice.upTo;
  }
  const last = joined.at(-1) ?? first;
  const slice = joined.length === 1 ? first : { ...last, after: first.after, commits: joined.flatMap((part) => part.commits) };
  return {
    state: withIncoming(state, {
      ...log,
      queue: log.queue.slice(joined.length),
      applying: { bytes, after: slice.after, upTo: slice.upTo, ...lastOwnSeq(slice) },
    }),
    effects: [{ type: "apply", request: { ...applySource(state, log), slice } }],
  };
}

function rowsOf(slice: LogSlice): number {
  let rows = 0;
  for (const commit of slice.commits) for (const change of commit.changes) rows += change.rowCount;
  return rows;
}

export function onApplied(state: Replication, event: Extract<ReplicationEvent, { type: "applied" }>): Handled {
  const log = incomingOf(state, event.tenant);
  const { applying } = log;
  if (applying === null) return unchanged(state);
  const { result } = event;
  // The storage may be further than the slice, by an earlier session of the peer, or by one of another copy of it, whose commits are not
  // this peer's: an acknowledgement names only what came here, or was compared, and what it carries the outcomes of.
  const acknowledged = Math.min(result.position, applying.upTo);
  const position = Math.max(log.position, acknowledged);
  const rejects = position > log.position ? 0 : log.rejects;
  const before = Math.min(acknowledged, log.toldUpTo ?? Math.max(0, applying.after ?? log.position));
  const untold = result.untold === true;
  // What is left of the outcomes comes before everything that waits; until then the position stays where it is.
  const queue: readonly Inbound[] = untold ? [{ type: "probe", after: null }, ...log.queue] : log.queue;
  const next = {
    ...log,
    position,
    end: Math.max(log.end, position),
    applying: null,
    verifiedSeq: Math.max(log.verifiedSeq, applying.ownSeq ?? 0),
    rejects,
    queue,
    toldUpTo: untold ? before : null,
  };
  const nothingToTell = applying.probe === true && result.outcomes.length === 0 && log.toldUpTo === null;
  const last = untold ? before : acknowledged;
  const safe = Math.max(log.safeTold, Math.min(result.safe ?? 0, last));
  const effects: SessionEffect[] = nothingToTell ? [] : acknowledge(state, next, { before, last }, result);
  if (safe > log.safeTold) effects.push(acknowledgeSafe(state, next, safe));
  const told = withIncoming(state, { ...next, safeTold: safe });
  const released = andThen({ state: told, effects }, (now) => release(now, applying.bytes));
  const full = andThen(released, (now) => endFilling(now, event.tenant));
  if (result.position < applying.upTo) {
    return andThen(full, (now) =>
      onApplyFailed(now, { type: "apply-failed", tenant: event.tenant, code: "sequence-gap", details: {} }),
    );
  }
  return andThen(full, (now) => applyNext(now, event.tenant));
}

/** Many outcomes go in several frames; the position moves with the last one, so none can be lost between them. */
function acknowledge(
  state: Replication,
  log: IncomingLog,
  { before, last }: { readonly before: number; readonly last: number },
  result: ApplyResult,
): SessionEffect[] {
  const { tenant, incarnation } = log;
  const { level, top, limits } = state.local;
  const groups = outcomeGroups(result.outcomes, limits.ackOutcomes, limits.ackBytes);
  return groups.map((outcomes, index) => ({
    type: "send",
    frame: { type: "ack", tenant, incarnation, position: index === groups.length - 1 ? last : before, level, top, outcomes },
  }));
}

/** Says once more of what was acknowledged that it survives the loss of our site. */
function acknowledgeSafe(state: Replication, { tenant, incarnation }: IncomingLog, position: number): SessionEffect {
  return { type: "send", frame: { type: "ack", tenant, incarnation, position, level: "D4", top: state.local.top, outcomes: [] } };
}

function outcomeGroups(
  outcomes: readonly CommitOutcome[],
  countMax: number,
  bytesMax: number,
): readonly (readonly CommitOutcome[])[] {
  const groups: CommitOutcome[][] = [[]];
  let bytes = 0;
  for (const outcome of outcomes) {
    const size = sizeOf(outcome);
    const last = groups.at(-1) ?? [];
    if (last.length > 0 && (last.length >= countMax || bytes + size > bytesMax)) {
      groups.push([outcome]);
      bytes = size;
    } else {
      last.push(outcome);
      bytes += size;
    }
  }
  return groups;
}

const sizeOf = (outcome: CommitOutcome): number => 128 + changesBytes(outcome.truth);

/** Says that nothing is missing any more when the tail has passed the last page. */
export function endFilling(state: Replication, tenant: string): Handled {
  const log = incomingOf(state, tenant);
  if (typeof log.fillUntil !== "number" || log.position < log.fillUntil) return unchanged(state);
  return {
    state: withIncoming(state, { ...log, fillUntil: null }),
    effects: [{ type: "filling", tenant, filling: false }],
  };
}

const remediable: ReadonlySet<ErrorCode> = new Set(["sequence-gap", "content-hash", "clock-ahead", "history-diverged"]);

export function onApplyFailed(state: Replication, event: Extract<ReplicationEvent, { type: "apply-failed" }>): Handled {
  const log = incomingOf(state, event.tenant);
  if (!remediable.has(event.code) || log.mode === "snapshot") throw new SessionFault(event.code, event.details);
  const waiting = log.queue.reduce((sum, item) => sum + ("bytes" in item ? item.bytes : 0), 0);
  const bytes = waiting + (log.applying?.bytes ?? 0);
  const idle = { ...log, queue: [], applying: null, end: log.position };
  return andThen(refuse(withIncoming(state, idle), idle, event.code, event.details), (now) => release(now, bytes));
}

/**
 * Asks the sender to start again after `end`, and drops what is on its way until it does. What waits to be applied is
 * whole up to `end` and stays.
 */
export function refuse(state: Replication, log: IncomingLog, code: ErrorCode, details: ErrorDetails): Handled {
  const { tenant, end } = log;
  const rejects = log.rejects + 1;
  if (rejects > state.local.limits.rejectsMax) throw new SessionFault(code, details);
  const next = { ...log, mode: "resync" as const, parts: null, rejects };
  const frame = { type: "reject", tenant, position: end, code, details } as const;
  return { state: withIncoming(state, next), effects: [{ type: "send", frame }] };
}
