import { setTimeout } from "node:timers/promises";
import { type Database, newId } from "@hayloft/engine";
import mqtt, { type MqttClient } from "mqtt";
import type { BarnVoice } from "../barn-messages.ts";

const AGAIN_MS = 50;

/** Devices that publish at QoS 1 and say again, after each death of the broker, what it did not acknowledge. */
export class DeviceLoad {
  /** Event ids of what the edge has acknowledged. */
  readonly acknowledged: string[] = [];
  readonly #client: MqttClient;
  readonly #voice: BarnVoice;
  readonly #work: readonly Promise<void>[];
  #isDone = false;

  constructor(url: string, voice: BarnVoice, perSecond: number, devices = 8) {
    this.#voice = voice;
    this.#client = mqtt.connect(url, {
      clientId: "killed-edge-devices",
      clean: false,
      reconnectPeriod: 50,
      connectTimeout: 5_000,
    });
    this.#client.on("error", () => undefined);
    this.#work = Array.from({ length: devices }, async () => await this.#publish((1_000 * devices) / perSecond));
  }

  /** Publishes no more and waits for nothing. */
  stop(): void {
    this.#isDone = true;
    this.#client.end(true);
  }

  /** Publishes no more, and waits until all is acknowledged. */
  async end(): Promise<void> {
    this.#isDone = true;
    await Promise.all(this.#work);
    await this.#client.endAsync(true);
  }

  async #publish(everyMs: number): Promise<void> {
    for (let value = 0; !this.#isDone; value = (value + 1) % 40) {
      const { topic, payload, eventId } = this.#voice.reading(value);
      const isAcknowledged = async (): Promise<boolean> =>
        await this.#client.publishAsync(topic, Buffer.from(payload), { qos: 1 }).then(
          () => true,
          () => false,
        );
      while (!(await isAcknowledged())) {
        if (this.#client.disconnecting) return;
        await setTimeout(AGAIN_MS);
      }
      this.acknowledged.push(eventId);
      await setTimeout(everyMs);
    }
  }
}

interface BarnPlace {
  readonly tenant: string;
  readonly farm: string;
  readonly barn: string;
}

/** People at the hub's database: new rows and changes that go down to the edge. */
export class HubWriter {
  /** Ids of rows that the database has committed. */
  readonly entered: string[] = [];
  readonly #database: Database;
  readonly #place: BarnPlace;
  readonly #work: Promise<void>;
  #isDone = false;

  constructor(database: Database, place: BarnPlace, everyMs: number) {
    this.#database = database;
    this.#place = place;
    this.#work = this.#write(everyMs);
  }

  /** Writes no more, and waits for nothing. */
  stop(): void {
    this.#isDone = true;
  }

  async end(): Promise<void> {
    this.#isDone = true;
    await this.#work;
  }

  async #write(everyMs: number): Promise<void> {
    const { tenant, farm, barn } = this.#place;
    while (!this.#isDone) {
      const id = newId();
      await this.#database.transaction(async (tx) => {
        await tx.query(
          "insert into barn_mortality_event (tenant_id, id, farm_id, barn_id, occurred_at, animal_count) values ($1, $2, $3, $4, now(), 1)",
          [tenant, id, farm, barn],
        );
        await tx.query("update barns set name = $3 where tenant_id = $1 and id = $2", [tenant, barn, `Barn ${id}`]);
      });
      this.entered.push(id);
      await setTimeout(everyMs);
    }
  }
}
