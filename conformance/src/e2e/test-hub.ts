import type { Hub, HubSettings, StartHubOptions } from "@hayloft/cloud-hub";
import { startHub } from "@hayloft/cloud-hub";
import type { Database, LogEvent } from "@hayloft/engine";
import { dropPostgres, preparedPostgresUrl } from "@hayloft/engine/testing";
import { preparedFarm } from "@hayloft/schema/testing";

/** A hub on a database of its own of the run's Postgres server, that can be stopped and started again. */
export class TestHub {
  readonly databaseUrl: string;
  readonly events: LogEvent[] = [];
  readonly #settings: Partial<HubSettings>;
  readonly #options: StartHubOptions;
  readonly #drop: () => Promise<void>;
  #hub: Hub | null = null;

  private constructor(databaseUrl: string, settings: Partial<HubSettings>, options: StartHubOptions, drop: () => Promise<void>) {
    this.databaseUrl = databaseUrl;
    this.#settings = settings;
    this.#options = options;
    this.#drop = drop;
  }

  static async start(settings: Partial<HubSettings> = {}, options: StartHubOptions = {}): Promise<TestHub> {
    const url = await preparedPostgresUrl(preparedFarm("cloud"));
    const hub = new TestHub(url, settings, options, async () => await dropPostgres(url));
    await hub.start();
    return hub;
  }

  /** On a database of a server of the test's own, which stays when the hub ends. */
  static async startOn(databaseUrl: string, settings: Partial<HubSettings> = {}): Promise<TestHub> {
    const hub = new TestHub(databaseUrl, settings, {}, async () => undefined);
    await hub.start();
    return hub;
  }

  get hub(): Hub {
    if (this.#hub === null) throw new Error("the hub is not running");
    return this.#hub;
  }

  get database(): Database {
    return this.hub.database;
  }

  get url(): string {
    return this.hub.httpUrl;
  }

  async start(): Promise<void> {
    this.#hub = await startHub(
      { "http.port": 0, "enrol.attempts_per_minute": 10_000, "shutdown.reconnect_after_ms": 100, ...this.#settings },
      { databaseUrl: this.databaseUrl, log: (event) => this.events.push(event), ...this.#options },
    );
  }

  async stop(): Promise<void> {
    const hub = this.#hub;
    this.#hub = null;
    await hub?.stop();
  }

  /** Stops it and drops its database, when that is one of the run's server. */
  async end(): Promise<void> {
    await this.stop();
    await this.#drop();
  }
}
