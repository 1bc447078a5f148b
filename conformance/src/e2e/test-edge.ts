import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createToken } from "@hayloft/cloud-hub";
import type { Edge, EdgeConfig, EdgePorts } from "@hayloft/edge-node";
import { edgeConfigOf, enrol, startEdge } from "@hayloft/edge-node";
import type { Database } from "@hayloft/engine";
import { prepareDirectory } from "@hayloft/engine/testing";
import { preparedFarm } from "@hayloft/schema/testing";
import type { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";
import { WireProxy } from "./wire-proxy.ts";

export interface TestEdgeOptions {
  readonly tenant: string;
  readonly farms?: readonly string[];
  readonly barns?: readonly string[];
  readonly config?: Partial<EdgeConfig>;
  readonly ports?: EdgePorts;
}

const quiet: NonNullable<EdgePorts["log"]> = { write: () => undefined };

/** An edge daemon of this process, with its PGlite on disk, behind a wire of its own to the hub. */
export class TestEdge {
  readonly tenant: string;
  readonly dataDir: string;
  readonly wire: WireProxy;
  readonly #options: TestEdgeOptions;
  #edge: Edge | null = null;

  private constructor(options: TestEdgeOptions, dataDir: string, wire: WireProxy) {
    this.tenant = options.tenant;
    this.dataDir = dataDir;
    this.wire = wire;
    this.#options = options;
  }

  /** Enrols a new node; the daemon is not started. */
  static async enrol(hub: TestHub, options: TestEdgeOptions): Promise<TestEdge> {
    const { tenant, farms, barns } = options;
    const { token } = await createToken(
      hub.database,
      { tenant, tier: "edge", role: "device_agent", ttlMs: 600_000, ...(farms ? { farms } : {}), ...(barns ? { barns } : {}) },
      Date.now(),
    );
    const dataDir = await mkdtemp(join(tmpdir(), "hayloft-e2e-"));
    await prepareDirectory(join(dataDir, "database"), preparedFarm("edge"));
    await enrol({ dataDir, hubUrl: hub.url, token, name: `${tenant} edge` });
    const wire = await WireProxy.listen();
    wire.aim(hub.url);
    return new TestEdge(options, dataDir, wire);
  }

  /** Enrols and starts a new node, and waits until it holds its master data. */
  static async start(hub: TestHub, options: TestEdgeOptions): Promise<TestEdge> {
    const edge = await TestEdge.enrol(hub, options);
    await edge.start();
    await edge.filled();
    return edge;
  }

  get daemon(): Edge {
    if (this.#edge === null) throw new Error("the edge is not running");
    return this.#edge;
  }

  get database(): Database {
    return this.daemon.replica.database;
  }

  get node(): string {
    return this.daemon.identity.nodeId;
  }

  /** Where its tablets dial. */
  get address(): { readonly url: string; readonly node: string; readonly publicKey: Uint8Array } {
    const { httpUrl, identity } = this.daemon;
    return { url: `${httpUrl.replace(/^http/, "ws")}/sync`, node: identity.nodeId, publicKey: identity.publicKey };
  }

  async start(): Promise<void> {
    this.#edge = await startEdge(
      edgeConfigOf({
        data_dir: this.dataDir,
        hub_url: this.wire.url,
        "broker.port": 0,
        "broker.anonymous": true,
        "http.port": 0,
        "children.listen": true,
        "log.level": "silent",
        ...this.#options.config,
      }),
      { log: quiet, ...this.#options.ports },
    );
  }

  async filled(): Promise<void> {
    await until(`the edge of ${this.tenant} is filled`, async () => {
      const { rows } = await this.database.query("select 1 from tenants where tenant_id = $1", [this.tenant]);
      const status = await this.daemon.replica.status();
      return rows.length === 1 && !status.filling && status.peers[0]?.connected === true;
    });
  }

  /** Commits that wait for the hub. */
  async waiting(): Promise<number> {
    return (await this.daemon.monitor.status()).backlog.commits;
  }

  /** Resolves when the hub has acknowledged everything. */
  async drained(withinMs = 60_000): Promise<void> {
    await until(`the edge of ${this.tenant} is drained`, async () => (await this.waiting()) === 0, withinMs);
  }

  async stop(): Promise<void> {
    const edge = this.#edge;
    this.#edge = null;
    await edge?.stop();
  }

  /** Stops it and removes its directory. */
  async end(): Promise<void> {
    await this.stop();
    await this.wire.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
