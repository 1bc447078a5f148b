import { CLOCK_AHEAD_MS_MAX } from "../clock/hybrid-clock.ts";
import { SKEW_NOTED_MS } from "../clock/known-ahead.ts";
import { defaultBackoff, fullJitterMs } from "../link/backoff.ts";
import type { Backoff } from "../link/backoff.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { Dial, Link } from "../link/link.ts";
import { childSession, stepChild } from "../session/child-session.ts";
import type { ChildSession } from "../session/child-session.ts";
import type { LocalSide } from "../session/local-side.ts";
import type { PeerState } from "./peer-state.ts";
import { ParentQuestions } from "./parent-questions.ts";
import type { Grant, LogHead } from "./replica-storage.ts";
import { SessionRunner } from "./session-runner.ts";
import type { Notice } from "./session-runner.ts";
import type { SessionPorts } from "./session-ports.ts";
import { toHayloftError } from "./to-hayloft-error.ts";

/** Who the parent is, and how to reach it. */
export interface ParentTarget {
  readonly node: string;
  readonly publicKey: Uint8Array;
  readonly dial: Dial;
  /** Pauses between attempts; default: from half a second up to a minute. */
  readonly reconnect?: Backoff;
}

export interface ParentLinkOptions {
  readonly ports: SessionPorts;
  readonly local: LocalSide;
  readonly tenant: string;
  readonly target: ParentTarget;
  /** True when rows may be missing until the tail has come. */
  readonly filling?: boolean;
  /** The newest heads of our logs. */
  readonly heads: () => readonly LogHead[];
  readonly onProgress: (tenant: string) => void;
}

/** A session that lasted so long counts as a success: the next attempt begins with the shortest delay. */
const steadyMs = 10_000;
const nothing = (): void => undefined;

/** Why the parent closed the link without a word. */
function reasonOf(closeCode: number): ErrorCode {
  if (closeCode === 1012) return "draining";
  return closeCode === 4429 ? "limit-reached" : "unavailable";
}

const askedDelayMsMax = 60_000;

/** What a parent that cannot serve us yet asked for. */
const askedDelayMs = (asked: unknown): number | null =>
  typeof asked === "number" && asked >= 0 ? Math.min(asked, askedDelayMsMax) : null;

/** Keeps a session with the parent: dials, and dials again after a growing, random delay, for ever. */
export class ParentLink {
  readonly #options: ParentLinkOptions;
  readonly #filling = new Set<string>();
  #runner: SessionRunner<ChildSession> | null = null;
  #attempt = 0;
  /** The present session has said why it ends. */
  #ended = false;
  #openedMs: number | null = null;
  #comeBackMs: number | null = null;
  /** The present session has brought something: however short it was, the next attempt need not wait longer. */
  #productive = false;
  #skewMs: number | null = null;
  #lastError: { readonly code: string; readonly atMs: number } | null = null;
  #abort = new AbortController();
  #cancelRetry: () => void = nothing;
  #dialling = false;
  #stopped = false;
  #grant: Grant | null = null;

  constructor(options: ParentLinkOptions) {
    this.#options = options;
    if (options.filling === true) for (const tenant of [options.local.sharedTenant, options.tenant]) this.#filling.add(tenant);
  }

  /** Questions to the parent, for as long as a session is open. */
  readonly questions = new ParentQuestions((question) => {
    if (this.#runner?.phase !== "open") return false;
    this.#runner.work({ type: "compare", question });
    return true;
  });

  /** The grant of the open session; null without one, or while rows may be missing. */
  get grant(): Grant | null {
    return this.#runner?.phase === "open" && !this.filling ? this.#grant : null;
  }

  get runner(): SessionRunner<ChildSession> | null {
    return this.#runner;
  }

  /** The parent's clock minus ours; null before it was measured. */
  get skewMs(): number | null {
    return this.#skewMs;
  }

  get filling(): boolean {
    return this.#filling.size > 0;
  }

  /** True before the first snapshot of the tenant's rows is complete. */
  async unready(): Promise<boolean> {
    const { ports, target, tenant } = this.#options;
    const received = await ports.storage.receivedCursors(target.node);
    return !received.some((cursor) => cursor.tenant === tenant);
  }

  state(): PeerState {
    const phase = this.#runner?.phase ?? (this.#dialling ? "dialling" : "waiting");
    return {
      tenant: this.#options.tenant,
      node: this.#options.target.node,
      name: this.#options.target.node,
      relation: "parent",
      connected: phase === "open",
      state: phase,
      skewMs: this.#skewMs,
      lastError: this.#lastError,
    };
  }

  start(): void {
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
    this.#abort.abort();
    this.#runner?.dispatch({ type: "stop", code: "draining", details: {} });
  }

  async #connect(): Promise<void> {
    this.#abort = new AbortController();
    this.#dialling = true;
    try {
      const link = await this.#options.target.dial(this.#abort.signal);
      this.#dialling = false;
      if (this.#stopped) link.close(1000, "");
      else this.#run(link);
    } catch (error) {
      this.#dialling = false;
      const { code } = toHayloftError(error, "unavailable");
      this.#remember(code);
      this.#retry();
    }
  }

  #run(link: Link): void {
    const { ports, local, tenant, target, onProgress } = this.#options;
    const runner = new SessionRunner<ChildSession>({
      link,
      ports,
      initial: childSession({ local, tenant, parentNode: target.node, filling: new Set(this.#filling) }),
      step: stepChild,
      sharedTenant: local.sharedTenant,
      parent: { node: target.node, publicKey: target.publicKey, tenant },
      onNotice: (notice) => this.#notice(notice),
      onProgress: (of) => {
        this.#productive = true;
        onProgress(of);
      },
      onStored: () => {
        this.#productive = true;
      },
      onClosed: ({ code }) => {
        if (this.#runner === runner) this.#runner = null;
        this.questions.ended();
        if (!this.#ended && !this.#stopped) this.#remember(reasonOf(code));
        // A page that the old session still writes must not come after what the new one receives.
        void runner.idle().then(() => this.#retry());
      },
    });
    this.#runner = runner;
    this.#ended = false;
    runner.start();
  }

  #notice(notice: Notice): void {
    const { ports, tenant, target } = this.#options;
    switch (notice.type) {
      case "compared":
        this.questions.answered(notice.id, notice.answer);
        return;
      case "established":
        this.#grant = notice.grant;
        this.#openedMs = ports.timers.moment().steadyMs;
        this.#lastError = null;
        this.#runner?.work({ type: "log-grew", heads: this.#options.heads() });
        ports.log({ level: "info", event: "session-opened", peer: target.node, details: { tenant }, error: null });
        this.#note(null);
        return;
      case "filling":
        if (notice.filling) this.#filling.add(notice.tenant);
        else this.#filling.delete(notice.tenant);
        ports.log({
          level: "info",
          event: notice.filling ? "filling" : "filled",
          peer: target.node,
          details: { tenant: notice.tenant, missing: this.#filling.size },
          error: null,
        });
        return;
      case "skew":
        this.#skewed(notice.skewMs);
        return;
      case "come-back":
        this.#comeBackMs = notice.afterMs;
        return;
      case "ended":
        this.#ended = true;
        ports.log({
          level: "info",
          event: "session-ended",
          peer: target.node,
          details: { ...notice.details, code: notice.code, by: notice.by },
          error: null,
        });
        // Set right: the log has begun a new incarnation, and nothing is to be waited for.
        if (notice.code === "history-diverged" && notice.by === "us") this.#comeBackMs = 0;
        if (notice.by === "peer") this.#comeBackMs = askedDelayMs(notice.details["afterMs"]) ?? this.#comeBackMs;
        if (!this.#stopped) this.#remember(notice.code);
    }
  }

  /** The storage corrects new stamps by the skew that is stored, so a change of it is stored soon. */
  #skewed(skewMs: number): void {
    const before = this.#skewMs;
    this.#skewMs = skewMs;
    if (before !== null && Math.abs(before - skewMs) < SKEW_NOTED_MS) return;
    this.#note(null);
    if (Math.abs(skewMs) < CLOCK_AHEAD_MS_MAX) return;
    const { ports, target } = this.#options;
    ports.log({ level: "warn", event: "clock-wrong", peer: target.node, details: { skewMs }, error: null });
  }

  #remember(code: string): void {
    this.#lastError = { code, atMs: this.#options.ports.timers.moment().nowMs };
    this.#note(code);
  }

  #note(errorCode: string | null): void {
    const { ports, tenant, target } = this.#options;
    const note = { tenant, node: target.node, relation: "parent", skewMs: this.#skewMs, errorCode } as const;
    void ports.notePeer(note).catch((error: unknown) => {
      ports.log({
        level: "warn",
        event: "note-failed",
        peer: target.node,
        details: {},
        error: toHayloftError(error, "unavailable"),
      });
    });
  }

  #retry(): void {
    if (this.#stopped) return;
    const { timers, random } = this.#options.ports;
    const backoff = this.#options.target.reconnect ?? defaultBackoff;
    const lasted = this.#openedMs === null ? 0 : timers.moment().steadyMs - this.#openedMs;
    this.#openedMs = null;
    this.#attempt = lasted >= steadyMs || this.#productive || this.#comeBackMs !== null ? 0 : this.#attempt;
    this.#productive = false;
    const delayMs = (this.#comeBackMs ?? 0) + fullJitterMs(this.#attempt, random(), backoff);
    this.#comeBackMs = null;
    this.#attempt += 1;
    this.#cancelRetry = timers.after(delayMs, () => void this.#connect());
  }
}
