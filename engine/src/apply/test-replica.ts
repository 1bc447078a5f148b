import type { Catalog } from "../catalog/catalog.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import type { Commit } from "../commit/commit.ts";
import { digestTables, type TableDigest } from "../digest/digest-tables.ts";
import { newId } from "../identity/new-id.ts";
import { migrate } from "../migrate/migrate.ts";
import type { ApplyResult, Grant, LogSlice } from "../replica/replica-storage.ts";
import { SqlReplicaStorage, type SqlReplicaStorageOptions } from "../replica/sql-replica-storage.ts";
import type { Database, SqlSession } from "../store/database.ts";
import type { OpenDatabase } from "../testing/preparation.ts";
import { preparedCatalog } from "../testing/prepared-catalog.ts";
import { sampleFarm } from "./sample-farm.ts";

/** The tenant that the tests write for. */
export const TENANT = "t1";
const ALL = { bytesMax: 1e9, rowsMax: 1e9 };

/** A replica without sessions: the tests carry its slices by hand. */
export class TestReplica {
  readonly database: Database;
  readonly storage: SqlReplicaStorage;
  readonly nodeId: string;
  readonly tier: string;
  readonly catalog: Catalog;

  private constructor(options: SqlReplicaStorageOptions) {
    this.database = options.database;
    this.storage = new SqlReplicaStorage(options);
    this.nodeId = options.nodeId;
    this.tier = options.tier;
    this.catalog = options.catalog;
  }

  /** Opens one on a database that is prepared for its catalog. */
  static async open(
    open: OpenDatabase,
    tier: string,
    options: {
      readonly catalog?: Catalog;
      readonly clock?: Clock;
      readonly projections?: SqlReplicaStorageOptions["projections"];
      readonly nodeId?: string;
    } = {},
  ): Promise<TestReplica> {
    const catalog = options.catalog ?? sampleFarm;
    const nodeId = options.nodeId ?? newId();
    const database = await open(preparedCatalog(catalog, tier));
    await migrate(database, { catalog, migrations: [{ name: "0001_initial", sql: catalogDdl(catalog) }], nodeId, tier });
    const extra = {
      ...(options.clock && { clock: options.clock }),
      ...(options.projections && { projections: options.projections }),
    };
    const replica = new TestReplica({ database, catalog, nodeId, tier, hasParent: tier !== catalog.tiers[0], ...extra });
    await replica.storage.heads([TENANT]);
    return replica;
  }

  grant(scopes: Grant["scopes"] = {}): Grant {
    return { tenant: TENANT, tier: this.tier, role: "node", scopes };
  }

  /** The same database behind another port or clock, for faults. */
  over(database: Database, clock: Clock = systemClock): SqlReplicaStorage {
    return new SqlReplicaStorage({
      database,
      clock,
      catalog: this.catalog,
      nodeId: this.nodeId,
      tier: this.tier,
      hasParent: this.tier !== this.catalog.tiers[0],
    });
  }

  async close(): Promise<void> {
    await this.database.close();
  }

  async sql(text: string, parameters: Parameters<SqlSession["query"]>[1] = []): Promise<readonly Record<string, unknown>[]> {
    return (await this.database.query(text, parameters)).rows;
  }

  /** The part of our log that goes to a peer, after a position. */
  async slice(
    peer: TestReplica,
    towards: "up" | "down",
    after: number,
    grant: Grant | null = null,
    limits = ALL,
  ): Promise<LogSlice> {
    return await this.storage.readLog({
      tenant: TENANT,
      after,
      peer: peer.nodeId,
      towards,
      grant: towards === "down" ? (grant ?? peer.grant()) : null,
      ...limits,
    });
  }

  /** Everything in our log, as a child would send it. */
  async commits(): Promise<readonly Commit[]> {
    return (await this.storage.readLog({ tenant: TENANT, after: 0, peer: newId(), towards: "up", grant: null, ...ALL })).commits;
  }

  /** Everything that the database holds, engine tables included, as one hash; times and counters of contact left out. */
  async fingerprint(): Promise<string> {
    const names = ["head", "commit", "change", "row_state", "origin", "outcome", "quarantine"].map((name) => `hayloft.${name}`);
    const tables = [...names, ...this.catalog.tables.map((table) => `"${table.name}"`)];
    const parts = tables.map(
      (name) => `(select md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)), '')) from ${name} t)`,
    );
    parts.push(
      `(select md5(coalesce(string_agg(concat_ws(' ', node_id, received_position, acked_position), ',' order by node_id), '')) from hayloft.peer)`,
    );
    const [row] = await this.sql(`select concat_ws(' ', ${parts.join(", ")}) as hash`);
    return String(row?.["hash"]);
  }

  /** Rows in the engine's own tables, to see that they do not grow. */
  async engineRows(): Promise<number> {
    const names = ["head", "commit", "change", "row_state", "origin", "peer", "outcome", "quarantine", "staged"];
    const [row] = await this.sql(`select ${names.map((name) => `(select count(*) from hayloft.${name})`).join(" + ")} as count`);
    return Number(row?.["count"]);
  }

  async digest(tables?: readonly string[]): Promise<readonly TableDigest[]> {
    return await digestTables(this.database, this.catalog, TENANT, tables);
  }
}

const cursorOf = (cursors: readonly { readonly tenant: string; readonly position: number }[]): number =>
  cursors.find((cursor) => cursor.tenant === TENANT)?.position ?? 0;

/** Sends what the parent has not acknowledged, and takes its acknowledgement. */
export async function pushUp(
  child: TestReplica,
  parent: TestReplica,
  grant: Grant = child.grant(),
  limits = ALL,
): Promise<ApplyResult> {
  const after = cursorOf(await child.storage.acknowledgedCursors(parent.nodeId));
  const slice = await child.slice(parent, "up", after, null, limits);
  const result = await parent.storage.apply({ peer: child.nodeId, from: "child", grant, slice });
  const { incarnation } = slice;
  const ack = {
    peer: parent.nodeId,
    tenant: TENANT,
    incarnation,
    position: result.position,
    top: parent.tier === "cloud",
    outcomes: result.outcomes,
  };
  await child.storage.recordAcknowledgement(ack);
  return result;
}

/** Takes what the parent's log has for the child, and acknowledges it. */
export async function pullDown(
  child: TestReplica,
  parent: TestReplica,
  grant: Grant = child.grant(),
  limits = ALL,
): Promise<ApplyResult> {
  const after = cursorOf(await child.storage.receivedCursors(parent.nodeId));
  const slice = await parent.slice(child, "down", after, grant, limits);
  const result = await child.storage.apply({ peer: parent.nodeId, from: "parent", grant: null, slice });
  const { incarnation } = slice;
  await parent.storage.recordAcknowledgement({
    peer: child.nodeId,
    tenant: TENANT,
    incarnation,
    position: result.position,
    top: false,
    outcomes: [],
  });
  return result;
}

/** Both ways, once. */
export async function exchange(child: TestReplica, parent: TestReplica, grant: Grant = child.grant()): Promise<ApplyResult> {
  const result = await pushUp(child, parent, grant);
  await pullDown(child, parent, grant);
  return result;
}

export const BARN = "insert into barn (tenant_id, id, name, location) values ('t1', $1, $2, 'north')";

export const newReading = (event: string, value = "1.00"): string =>
  `insert into reading values ('t1', gen_random_uuid(), 'b1', ${value}, '${event}', '2026-11-01 10:00:00+00')`;
