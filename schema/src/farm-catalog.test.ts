import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Column, Table } from "@hayloft/engine";
import { isReplicated, lintCatalog, newId } from "@hayloft/engine";
import { describe, expect, it } from "vitest";
import { farmCatalog } from "./farm-catalog.ts";
import { farmMigrations } from "./migrations/farm-migrations.ts";
import { tiers } from "./tiers.ts";

const { tables } = farmCatalog as { readonly tables: readonly Table[] };
const columnsOf = (item: Table): readonly (readonly [string, Column])[] => Object.entries(item.columns);
const named = (item: Table, column: string): string => `${item.name}.${column}`;

/** Every key and index as a list of column names. */
const keysOf = (item: Table): readonly (readonly string[])[] => [
  item.primaryKey,
  ...item.unique.filter((unique) => unique.where === undefined).map((unique) => unique.columns),
  ...item.indexes.map((index) => index.map((part) => part.replace(/ desc$/, ""))),
];

const startsWith = (list: readonly string[], start: readonly string[]): boolean =>
  start.every((name, index) => list[index] === name);

const root = fileURLToPath(new URL("../../", import.meta.url));

function sourceFiles(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((item) => {
    const full = path.join(folder, item.name);
    if (item.isDirectory()) return item.name === "node_modules" || item.name === "dist" ? [] : sourceFiles(full);
    return item.name.endsWith(".ts") && !item.name.endsWith(".test.ts") ? [full] : [];
  });
}

describe("the catalog as a whole", () => {
  it("S0.1 S9.9 breaks no rule of the architecture", () => {
    expect(lintCatalog(farmCatalog)).toEqual([]);
  });

  it("S0.1 each table says what it is for, who writes it and how long each tier keeps it", () => {
    for (const item of tables) {
      expect(item.about.endsWith("."), item.name).toBe(true);
      expect(item.writers.length, item.name).toBeGreaterThan(0);
      expect(Object.keys(item.retain).length, item.name).toBeGreaterThan(0);
      expect(
        Object.keys(item.retain).every((tier) => tiers.some((known) => known === tier)),
        item.name,
      ).toBe(true);
    }
  });

  it("S1.1 each table belongs to one of the groups, and the five of the cloud are among them", () => {
    const groups = [...new Set(tables.map((item) => item.group))].sort();
    expect(groups).toEqual([
      "analytics",
      "audit",
      "config",
      "feed",
      "identity",
      "ingress",
      "media",
      "messages",
      "operations",
      "records",
      "registry",
      "standards",
      "sync",
      "telemetry",
      "weighing",
    ]);
  });

  it("S6.2 S6.3 telemetry is declared least urgent, records and registry most", () => {
    const laneOf = (name: string): number | undefined => farmCatalog.byName.get(name)?.lane;
    expect(laneOf("telemetry_raw")).toBe(3);
    for (const item of tables.filter((each) => each.group === "records" || each.group === "registry"))
      expect(item.lane, item.name).toBe(0);
  });

  it("S5.16 S16.1 P-S1 has no placeholder table", () => {
    expect(tables.filter((item) => /example|placeholder|sample|test/.test(item.name))).toEqual([]);
  });

  it("S5.25 S5.27 has no table for an outbox, its state or its dead letters", () => {
    expect(tables.filter((item) => /outbox|sync_state|dlq|dead/.test(item.name))).toEqual([]);
  });

  it("S2.2 P-O1 no migration needs an extension or Timescale", () => {
    for (const { sql } of farmMigrations) expect(sql).not.toMatch(/create\s+extension|timescale|hypertable/i);
  });

  it("S0.2 S11.2 nothing but migrations and the engine defines tables", () => {
    const offenders = ["schema", "edge-node", "cloud-hub"]
      .flatMap((folder) => sourceFiles(path.join(root, folder, "src")))
      .filter((file) => !file.includes(`${path.sep}migrations${path.sep}`))
      // The hub's key must be there before the first migration, which is made in its name; it has a schema of its own.
      .filter((file) => path.basename(file) !== "hub-schema.ts")
      .filter((file) => /\b(create|alter|drop)\s+(unlogged\s+)?table\b/i.test(readFileSync(file, "utf8")));
    expect(offenders).toEqual([]);
  });
});

describe("keys", () => {
  it("S3.3 P-C18 no unique key holds a bare null", () => {
    const faults = tables.flatMap((item) =>
      item.unique
        .filter((unique) => unique.nullsNotDistinct !== true)
        .flatMap((unique) =>
          unique.columns
            .filter((name) => item.columns[name]?.isNullable === true && !(unique.where ?? "").includes(`${name} is not null`))
            .map((name) => named(item, name)),
        ),
    );
    expect(faults).toEqual([]);
  });

  it("S17.2 P-O2 the tenant leads every key, unique key and foreign key", () => {
    for (const item of tables) {
      expect(item.primaryKey[0], item.name).toBe("tenant_id");
      for (const unique of item.unique) expect(unique.columns[0], item.name).toBe("tenant_id");
      for (const reference of item.references) expect(reference.columns[0], item.name).toBe("tenant_id");
    }
  });

  it("S3.1 S7.2 tenant, farm, barn, batch, device and station hang together by composite foreign keys", () => {
    const refs = (name: string) =>
      farmCatalog.byName.get(name)?.references.map((reference) => `${reference.columns.join()}>${reference.table}`);
    expect(refs("farms")).toEqual(["tenant_id>tenants"]);
    expect(refs("barns")).toEqual(["tenant_id>tenants", "tenant_id,farm_id>farms"]);
    for (const name of ["batches", "stations", "sensors"]) {
      expect(refs(name), name).toEqual(["tenant_id>tenants", "tenant_id,farm_id>farms", "tenant_id,barn_id>barns"]);
    }
    expect(refs("devices")).toContain("tenant_id,batch_id>batches");
    expect(refs("session_weights")).toEqual(["tenant_id,weight_session_id>weight_sessions"]);
    expect(refs("session_media_bindings")).toEqual(["tenant_id,weight_session_id>weight_sessions"]);
    for (const item of tables.filter((each) => each.name.startsWith("barn_")))
      expect(refs(item.name), item.name).toContain("tenant_id,barn_id>barns");
  });

  it("S8.5 every foreign key has an index that starts with it", () => {
    const bare = tables.flatMap((item) =>
      item.references
        .filter((reference) => !keysOf(item).some((key) => startsWith(key, reference.columns)))
        .map((reference) => named(item, reference.columns.join())),
    );
    expect(bare).toEqual([]);
  });

  it("S7.4 names are unique where people choose them", () => {
    const uniques = (name: string) => farmCatalog.byName.get(name)?.unique.map((unique) => unique.columns.join());
    expect(uniques("farms")).toContain("tenant_id,name");
    expect(uniques("barns")).toContain("tenant_id,farm_id,name");
    expect(uniques("stations")).toContain("tenant_id,farm_id,barn_id,name");
  });

  it("S7.5 every table that devices feed has a unique event key", () => {
    const fed = tables.filter((item) => item.columns["event_id"]?.isNullable === false && item.name !== "ingress_refused");
    expect(fed.length).toBeGreaterThanOrEqual(5);
    for (const item of fed) {
      expect(
        keysOf(item).some((key) => startsWith(key, ["tenant_id", "event_id"])),
        item.name,
      ).toBe(true);
    }
  });

  it("S7.6 aggregates are keyed by all seven parts, none of them null", () => {
    const agg = farmCatalog.byName.get("telemetry_agg");
    expect(agg?.primaryKey).toEqual(["tenant_id", "farm_id", "barn_id", "device_id", "metric", "bucket_start", "bucket_size"]);
    expect(agg?.primaryKey.some((name) => agg.columns[name]?.isNullable)).toBe(false);
  });

  it("S8.1 S8.2 S8.3 have the indexes of the seed", () => {
    const indexes = (name: string) => farmCatalog.byName.get(name)?.indexes;
    expect(indexes("telemetry_raw")).toEqual([
      ["tenant_id", "occurred_at desc"],
      ["tenant_id", "device_id", "metric", "occurred_at desc"],
    ]);
    expect(indexes("telemetry_agg")).toEqual([
      ["tenant_id", "bucket_start desc"],
      ["tenant_id", "device_id", "metric", "bucket_start desc"],
    ]);
    expect(indexes("ingress_dedupe")).toEqual([["expires_at"]]);
  });

  it("S8.4 the large telemetry tables are partitioned by month", () => {
    expect(farmCatalog.byName.get("telemetry_raw")?.partition).toEqual({ by: "occurred_at", every: "month" });
    expect(farmCatalog.byName.get("telemetry_agg")?.partition).toEqual({ by: "bucket_start", every: "month" });
  });
});

describe("columns", () => {
  it("S7.1 S15.1 S16.4 P-S4 every uuid of ours is checked for its version and has no random default", () => {
    // The engine declares its own tables.
    for (const item of tables.filter((each) => !each.name.startsWith("replica_"))) {
      for (const [name, column] of columnsOf(item)) {
        if (column.type.kind !== "uuid") continue;
        const isOurs = name === "id" || name.endsWith("_id");
        if (isOurs) expect(column.condition, named(item, name)).toMatch(/^substr\(\{\}::text, 15, 1\)/);
        expect(column.defaultSql ?? "", named(item, name)).not.toMatch(/uuid|random/);
      }
    }
  });

  it("S7.1 P-S4 new ids are version 7 and grow", () => {
    const ids = Array.from({ length: 10_000 }, newId);
    expect(ids.every((id) => id[14] === "7")).toBe(true);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("S7.3 S15.2 P-C18 names are snake_case and say their unit", () => {
    const instants = /(_at|_from|_to|_start|_end)$/;
    for (const item of tables) {
      expect(item.name).toMatch(/^[a-z][a-z0-9_]*$/);
      for (const [name, column] of columnsOf(item)) {
        expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
        if (column.type.kind === "timestamptz" && name !== "since") expect(named(item, name)).toMatch(instants);
        if (column.type.kind === "date") expect(named(item, name)).toMatch(/_date$/);
      }
    }
  });

  it("P-C18 one quantity has one numeric scale on every table", () => {
    const scales = new Map<string, Set<string>>();
    for (const item of tables) {
      for (const [name, column] of columnsOf(item)) {
        if (column.type.kind !== "numeric") continue;
        const quantity = /(?<!_per)_(kg|g|pct|ml|ppm|c)$/.exec(name)?.[1] ?? (name.endsWith("fcr") ? "fcr" : name);
        const scale = `${column.type.precision},${column.type.scale}`;
        scales.set(quantity, (scales.get(quantity) ?? new Set()).add(scale));
      }
    }
    expect([...scales].filter(([, found]) => found.size > 1)).toEqual([]);
    expect(scales.get("value")).toEqual(new Set(["12,4"]));
  });

  it("S7.7 P-C18 every enumerated column has its values in a CHECK", () => {
    const enumerated =
      /^(status|state|severity|op|protocol|channel|provider|direction|lifecycle_state|set_type|unit_system|sex|dim_type|target_type|bucket_size|mime_type|route|tier)$/;
    // A channel of a sensor is the name of an input, not one of a list.
    const free = new Set(["sensor_bindings.channel", "alert_states.rule"]);
    const open = tables.flatMap((item) =>
      columnsOf(item)
        .filter(
          ([name, column]) =>
            enumerated.test(name) && column.type.kind === "text" && column.allowed === null && !free.has(named(item, name)),
        )
        .map(([name]) => named(item, name)),
    );
    expect(open).toEqual([]);
  });

  it("S3.2 P-C4 tenant, farm, barn and device are required on everything a device sends", () => {
    for (const name of [
      "telemetry_raw",
      "weight_sessions",
      "session_weights",
      "session_media_bindings",
      "inference_results",
      "media_objects",
      "device_last_seen",
    ]) {
      const item = farmCatalog.byName.get(name);
      for (const column of ["tenant_id", "farm_id", "barn_id"])
        expect(item?.columns[column]?.isNullable, `${name}.${column}`).toBe(false);
      expect(item?.columns["device_id"]?.isNullable ?? false, name).toBe(false);
    }
  });

  it("S5.1 S5.5 email, password and location do not go where they are not needed", () => {
    expect(farmCatalog.byName.get("users")?.flow).toBe("top");
    expect(Object.keys(farmCatalog.byName.get("farm_users")?.columns ?? {})).not.toEqual(expect.arrayContaining(["email"]));
    expect(Object.keys(farmCatalog.byName.get("farm_users")?.columns ?? {})).not.toEqual(expect.arrayContaining(["password"]));
    expect(farmCatalog.byName.get("farms")?.hidden).toEqual({ tablet: ["location"] });
  });
});

describe("who writes and how it ends", () => {
  it("S4.1 S4.2 S4.3 the writers of each group are those of the ownership map", () => {
    const writersOf = (group: string): readonly string[] =>
      [
        ...new Set(tables.filter((item) => item.group === group && isReplicated(item)).map((item) => item.writers.join("+"))),
      ].sort();
    expect(writersOf("identity")).toEqual(["cloud"]);
    expect(writersOf("registry")).toEqual(["cloud", "cloud+edge+tablet"]);
    expect(tables.filter((item) => item.group === "registry" && item.writers.length > 1).map((item) => item.name)).toEqual([
      "sensor_calibrations",
    ]);
    expect(writersOf("config")).toEqual(["cloud"]);
    expect(writersOf("standards")).toEqual(["cloud"]);
    expect(writersOf("telemetry")).toEqual(["edge"]);
    expect(writersOf("audit")).toEqual(["cloud+edge+tablet"]);
  });

  it("S4.2 only the edge says what a scale measured, people may add to it", () => {
    const rule = farmCatalog.byName.get("weight_sessions")?.rule.columns;
    expect(rule?.["device_id"]).toEqual({ kind: "singleWriter", tier: "edge" });
    expect(rule?.["image_count"]).toEqual({ kind: "derived" });
    expect(rule?.["notes"]?.kind).toBe("document");
    expect(rule?.["batch_id"]).toBeUndefined();
  });

  it("S9.9 a row never outlives the row it refers to", () => {
    const longest = (item: Table | undefined, tier: string): number => {
      const kept = item?.retain[tier];
      if (kept === undefined) return 0;
      return kept.kind === "days" ? kept.days : Number.POSITIVE_INFINITY;
    };
    for (const item of tables) {
      for (const reference of item.references) {
        for (const tier of tiers) {
          const child = longest(item, tier);
          if (child === 0) continue;
          expect(
            longest(farmCatalog.byName.get(reference.table), tier),
            `${item.name} > ${reference.table} on ${tier}`,
          ).toBeGreaterThanOrEqual(Number.isFinite(child) ? child + 14 : child);
        }
      }
    }
  });
});
