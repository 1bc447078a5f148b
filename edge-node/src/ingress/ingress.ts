import type { Clock, Database } from "@hayloft/engine";
import type { EnvelopeLimits } from "@hayloft/schema";
import type { MqttMessage, TakeMessage } from "../broker/mqtt-message.ts";
import { SeenDevices } from "../domain/seen-devices.ts";
import { GroupCommit } from "./group-commit.ts";
import type { IngressCounts } from "./ingress-counters.ts";
import { IngressCounters } from "./ingress-counters.ts";
import type { ReadMessage } from "./ingress-message.ts";
import { readMessage } from "./read-message.ts";
import type { Verdict } from "./store-group.ts";
import { storeGroup } from "./store-group.ts";
import { StoreHealth } from "./store-health.ts";

interface IngressSettings {
  readonly dedupeTtlMs: number;
  readonly envelope: EnvelopeLimits;
  readonly batchMessagesMax: number;
  readonly batchBytesMax: number;
  readonly batchDelayMs: number;
  readonly pendingMessagesMax: number;
}

export interface IngressOptions {
  readonly database: Database;
  readonly tenant: string;
  readonly settings: IngressSettings;
  readonly clock: Clock;
  /** Called when groups cannot be stored: at the first one, when the reason changes, and once a minute; `times` since the call before. */
  readonly onFailure: (error: unknown, times: number) => void;
  /** Called when a group is stored after others were not. */
  readonly onRecovery: () => void;
  /** Called once per message with what became of it; ids only. */
  readonly onVerdict: (
    verdict: Verdict | { readonly outcome: "failed"; readonly reason: null },
    item: ReadMessage,
    latencyMs: number,
  ) => void;
}

/**
 * The border between devices and the database. A message is dealt with when its group's transaction is durable; until then
 * its sender keeps it, so that a crash at any point ends with exactly one row.
 */
export class Ingress {
  readonly #options: IngressOptions;
  readonly #counters = new IngressCounters();
  readonly #health = new StoreHealth();
  readonly #groups: GroupCommit<ReadMessage, Verdict>;

  constructor(options: IngressOptions) {
    this.#options = options;
    const { settings, database, tenant, clock } = options;
    const seen = new SeenDevices();
    this.#groups = new GroupCommit({
      write: async (group) => {
        const nowMs = clock.nowMs();
        try {
          const verdicts = await storeGroup({ database, tenant, dedupeTtlMs: settings.dedupeTtlMs, nowMs, seen }, group);
          if (this.#health.stored()) options.onRecovery();
          return verdicts;
        } catch (error) {
          const failures = this.#health.failed(error, nowMs);
          if (failures !== null) options.onFailure(error, failures.times);
          throw error;
        }
      },
      delayMs: settings.batchDelayMs,
      itemsMax: settings.batchMessagesMax,
      bytesMax: settings.batchBytesMax,
      pendingMax: settings.pendingMessagesMax,
      writesMax: 2,
    });
  }

  /** Takes one message in; see `TakeMessage`. */
  readonly take: TakeMessage = async (raw: MqttMessage) => {
    const { clock, tenant, settings, onVerdict } = this.#options;
    const receivedAtMs = clock.nowMs();
    this.#counters.received(receivedAtMs);
    const item = readMessage(raw, receivedAtMs, { ...settings.envelope, tenant });
    try {
      const verdict = await this.#groups.submit(item, raw.payload.byteLength + raw.topic.length);
      const nowMs = clock.nowMs();
      this.#counters.count(verdict.outcome, verdict.reason, nowMs);
      onVerdict(verdict, item, nowMs - receivedAtMs);
      return { accepted: verdict.outcome !== "refused" };
    } catch (error) {
      const nowMs = clock.nowMs();
      this.#counters.count("failed", null, nowMs);
      onVerdict({ outcome: "failed", reason: null }, item, nowMs - receivedAtMs);
      throw error;
    }
  };

  /** True while a whole group of messages waits for the database. */
  get groupWaits(): boolean {
    return this.#groups.pending >= this.#options.settings.batchMessagesMax;
  }

  /** Why messages are not stored at the moment; null when they are, as far as is known. */
  get problem(): string | null {
    return this.#health.problem(this.#options.clock.nowMs());
  }

  counts(): IngressCounts {
    return this.#counters.snapshot(this.#groups.pending, this.#options.clock.nowMs());
  }

  /** Takes nothing more; resolves when everything taken is durable or was left with its sender. */
  close(): Promise<void> {
    return this.#groups.close();
  }
}
