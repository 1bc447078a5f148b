import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** Device connections of the load, and what each has on its way unacknowledged at most. */
const CONNECTIONS = 32;
const IN_FLIGHT_MAX = 64;

/** What the publishing process is asked to do. Messages are numbered; the same numbers are the same messages. */
export interface LoadOrder {
  readonly url: string;
  readonly connections: number;
  readonly inFlightMax: number;
  readonly firstNumber: number;
  readonly count: number;
  /** The time of message 0 in milliseconds since 1970, and how much later each one is. */
  readonly startMs: number;
  readonly stepMs: number;
  /** Messages a second, sent when they are due; null sends as fast as acknowledgements come. */
  readonly perSecond: number | null;
}

/** What came of an order. */
export interface LoadResult {
  /** From the first publish to the last PUBACK. */
  readonly elapsedMs: number;
  /** From when a message was due to its PUBACK; only of an order with a rate. */
  readonly latenciesMs: readonly number[];
}

export type LoadReply =
  | { readonly kind: "done"; readonly result: LoadResult }
  | { readonly kind: "failed"; readonly message: string };

/** Publishes at QoS 1 from a process of its own, so that the publishers take no time of the daemon's event loop. */
export class MqttLoad {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(new URL("./mqtt-load.child.js", import.meta.url), { serialization: "advanced" });
  }

  /** Connects, publishes and waits for every acknowledgement. Throws when a publish fails. */
  async run(order: Omit<LoadOrder, "connections" | "inFlightMax">): Promise<LoadResult> {
    const answer = once(this.#child, "message", { signal: AbortSignal.timeout(600_000) }) as Promise<[LoadReply]>;
    this.#child.send({ ...order, connections: CONNECTIONS, inFlightMax: IN_FLIGHT_MAX } satisfies LoadOrder);
    const [reply] = await answer;
    if (reply.kind === "failed") throw new Error(`the load failed: ${reply.message}`);
    return reply.result;
  }

  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }
}
