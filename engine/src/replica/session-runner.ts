import type { ErrorCode } from "../error/error-codes.ts";
import type { Link, LinkClosed } from "../link/link.ts";
import type { Frame } from "../protocol/frame.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame-codec.ts";
import { nonceBytes } from "../session/local-side.ts";
import type { Moment } from "../session/moment.ts";
import type { SessionEffect, Step } from "../session/session-effect.ts";
import type { ReplicationEvent, SessionEvent } from "../session/session-event.ts";
import { answerEffect } from "./answer-effect.ts";
import type { AnsweredEffect, AnswerOptions } from "./answer-effect.ts";
import { closeCodeOf } from "./close-code.ts";
import { toHayloftError } from "./to-hayloft-error.ts";

const notices = ["established", "compared", "filling", "skew", "come-back", "ended"] as const;
/** Effects that concern the replica rather than the link or the storage. */
export type Notice = Extract<SessionEffect, { type: (typeof notices)[number] }>;
const isNotice = (effect: SessionEffect): effect is Notice => notices.some((type) => type === effect.type);

export interface RunnerOptions<State extends { readonly phase: string }> extends AnswerOptions {
  readonly link: Link;
  readonly initial: State;
  readonly step: (state: State, event: SessionEvent, at: Moment) => Step<State>;
  readonly onNotice: (notice: Notice) => void;
  readonly onClosed: (closed: LinkClosed) => void;
}

const drainedBytes = 256 * 1024;
const drainPollMs = 20;

/** Runs one session: feeds it what happens, and does what it says. */
export class SessionRunner<State extends { readonly phase: string }> {
  readonly #options: RunnerOptions<State>;
  #state: State;
  #queue: SessionEvent[] = [];
  #stepping = false;
  #closed = false;
  #high = false;
  #cancelPressure: () => void = () => undefined;
  readonly #pending = new Set<Promise<void>>();

  constructor(options: RunnerOptions<State>) {
    this.#options = options;
    this.#state = options.initial;
  }

  get phase(): string {
    return this.#state.phase;
  }

  /** Begins the session on its link. */
  start(): void {
    const { link, ports } = this.#options;
    this.dispatch({ type: "opened", nonce: ports.randomBytes(nonceBytes) });
    link.onMessage((bytes) => this.#receive(bytes));
    link.onClose((closed) => this.#end(closed));
  }

  dispatch(event: SessionEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#stepping = false;
    }
  }

  /** Resolves when nothing that the session began with the storage is under way any more. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  work(work: ReplicationEvent): void {
    if (this.#state.phase === "open") this.dispatch({ type: "work", work });
  }

  #step(event: SessionEvent): void {
    const { state, effects } = this.#options.step(this.#state, event, this.#options.ports.timers.moment());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    let frame: Frame;
    try {
      frame = decodeFrame(bytes);
    } catch (error) {
      const { code, details } = toHayloftError(error, "frame-invalid");
      this.dispatch({ type: "frame-refused", code, details });
      return;
    }
    this.dispatch({ type: "frame", frame, bytes: bytes.length });
  }

  #end(closed: LinkClosed): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelPressure();
    this.dispatch({ type: "closed" });
    this.#options.onClosed(closed);
  }

  #perform(effect: SessionEffect): void {
    if (effect.type === "send") this.#send(effect.frame);
    else if (effect.type === "transmit") this.#transmit(effect.bytes);
    else if (effect.type === "close") this.#options.link.close(closeCodeOf(effect.code), effect.code ?? "");
    else if (isNotice(effect)) this.#options.onNotice(effect);
    else this.#begin(this.#answer(effect));
  }

  #begin(answering: Promise<void>): void {
    this.#pending.add(answering);
    void answering.then(() => this.#pending.delete(answering));
  }

  #send(frame: Frame): void {
    try {
      this.#transmit(encodeFrame(frame));
    } catch (error) {
      const { code, details } = toHayloftError(error, "frame-invalid");
      this.#queue.push({ type: "failed", code, details: { ...details, frame: frame.type } });
    }
  }

  #transmit(bytes: Uint8Array): void {
    if (this.#closed || this.#options.link.send(bytes) || this.#high) return;
    this.#high = true;
    this.#queue.push({ type: "work", work: { type: "pressure", high: true } });
    this.#watchPressure();
  }

  #watchPressure(): void {
    const { link, ports } = this.#options;
    this.#cancelPressure = ports.timers.after(drainPollMs, () => {
      if (this.#closed) return;
      if (link.bufferedBytes > drainedBytes) {
        this.#watchPressure();
        return;
      }
      this.#high = false;
      this.work({ type: "pressure", high: false });
    });
  }

  /** Does what takes time and reports how it went. An effect of a session that has ended is done all the same. */
  async #answer(effect: AnsweredEffect): Promise<void> {
    try {
      const event = await answerEffect(this.#options, effect);
      if (event !== null) this.dispatch(event);
    } catch (error) {
      this.#failed(effect, error);
    }
  }

  #failed(effect: SessionEffect, error: unknown): void {
    const known = toHayloftError(error, "unavailable");
    const code = peerCodeOf(known.code);
    const details = code === known.code ? known.details : { cause: known.code };
    const { log } = this.#options.ports;
    if (code !== known.code) log({ level: "error", event: `${effect.type}-failed`, peer: null, details: {}, error: known });
    if (effect.type === "read-log" || effect.type === "read-part") {
      const { generation, request } = effect;
      this.work({ type: "read-failed", tenant: request.tenant, generation, code, details });
    } else if (effect.type === "apply" || effect.type === "apply-part") {
      const { slice } = effect.type === "apply" ? effect.request : effect.request.part;
      this.work({ type: "apply-failed", tenant: slice.tenant, code, details });
    } else {
      this.dispatch({ type: "failed", code, details });
    }
  }
}

const sessionCodes: ReadonlySet<ErrorCode> = new Set([
  "behind-horizon",
  "clock-ahead",
  "content-hash",
  "frame-invalid",
  "frame-too-large",
  "history-diverged",
  "limit-reached",
  "quarantine-full",
  "sequence-gap",
  "unavailable",
] satisfies ErrorCode[]);

/** What a database or a program error is called towards a peer. */
const peerCodeOf = (code: ErrorCode): ErrorCode => (sessionCodes.has(code) ? code : "unavailable");
