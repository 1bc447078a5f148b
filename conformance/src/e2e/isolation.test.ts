import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { revokeNode, setTenantStatus } from "@hayloft/cloud-hub";
import { planFarm } from "@hayloft/device-simulator";
import type { Commit, Database, KeyIdentity } from "@hayloft/engine";
import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { becomeEqual, countOf, sharedTables } from "./equal-tables.ts";
import { enterFarm } from "./farm-registry.ts";
import { forgeCommit, insertOf, pushCommits, RawNode } from "./raw-node.ts";
import { writeAs } from "./rogue-edge.ts";
import { TestEdge } from "./test-edge.ts";
import { TestHub } from "./test-hub.ts";
import { enrolNode, TestTablet } from "./test-tablet.ts";
import { until } from "./until.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const [ours, theirs] = [planFarm("t-iso-a", "f-iso-a", 2), planFarm("t-iso-b", "f-iso-b", 1)];
const [barnA, barnB] = ours.barns.map(({ barn }) => barn);
const canary = { [ours.tenant]: "CANARYofA", [theirs.tenant]: "CANARYofB" };

let hub: TestHub;
let edge: TestEdge;
let other: TestEdge;
let tablet: TestTablet;

const mortality = (tenant: string, farm: string, barn: string, more: Readonly<Record<string, string | null>> = {}) =>
  insertOf("barn_mortality_event", {
    tenant_id: tenant,
    id: newId(),
    farm_id: farm,
    barn_id: barn,
    occurred_at: "2026-01-01 00:00:00+00",
    created_at: "2026-01-01 00:00:00+00",
    animal_count: "1",
    ...more,
  });

const write = async (
  replica: TestTablet["replica"],
  tenant: string,
  farm: string,
  barn: string,
  notes: string,
): Promise<string> => {
  const id = newId();
  await replica.write(async (db) => {
    await db
      .insertInto("barn_mortality_event")
      .values({ tenant_id: tenant, id, farm_id: farm, barn_id: barn, occurred_at: new Date(), animal_count: 1, notes })
      .execute();
  });
  return id;
};

const held = async (
  database: Database,
): Promise<readonly { readonly code: string; readonly origin: string; readonly seq: number }[]> =>
  (await database.query<{ code: string; origin: string; seq: number }>("select code, origin, seq from hayloft.quarantine")).rows;

/** Everything the other tenant has at the hub, as one text. */
async function fingerprint(tenant: string): Promise<string> {
  const { rows } = await hub.database.query<{ text: string }>(
    `select concat((select string_agg(t::text, '|' order by t.id) from barn_mortality_event t where tenant_id = $1),
       (select string_agg(t::text, '|' order by t.id) from barns t where tenant_id = $1),
       (select string_agg(t.origin::text || t.seq, '|' order by t.origin, t.seq) from hayloft.commit t where tenant_id = $1 and via is not null),
       (select count(*) from hayloft.quarantine where tenant_id = $1)) as text`,
    [tenant],
  );
  return rows[0]?.text ?? "";
}

beforeAll(async () => {
  hub = await TestHub.start();
  for (const plan of [ours, theirs]) {
    await enterFarm(hub.database, plan);
    await hub.database.query("update barns set name = name || $2 where tenant_id = $1", [plan.tenant, canary[plan.tenant] ?? ""]);
    await hub.database.query(
      "insert into users (tenant_id, id, email, password, display_name) values ($1, $2, $3, 'argon2$secret', 'Ann')",
      [plan.tenant, newId(), `ann-${plan.tenant}@secret.example`],
    );
  }
  [edge, other] = (await Promise.all(
    [ours, theirs].map(async ({ tenant, farm }) => await TestEdge.start(hub, { tenant, farms: [farm] })),
  )) as [TestEdge, TestEdge];
  tablet = await TestTablet.enrol(hub, { tenant: ours.tenant, farms: [ours.farm], barns: [barnA ?? ""] });
  await tablet.connect(edge.address);
});
afterAll(async () => {
  await tablet.end();
  await edge.end();
  await other.end();
  await hub.end();
});

/** Tables of a database in which a text stands anywhere in a row. */
async function tablesWith(database: Database, pattern: string): Promise<readonly string[]> {
  const { rows } = await database.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('public', 'hayloft')",
  );
  const found: string[] = [];
  for (const { name } of rows) {
    if ((await countOf(database, `${name} as t where t::text ~ $1`, [pattern])) > 0) found.push(name);
  }
  return found;
}

describe("what reaches whom", () => {
  it("P-C9 S5.4 a canary of one tenant is in no row, log entry or file of another tenant's edge", async () => {
    await write(edge.daemon.replica, ours.tenant, ours.farm, barnA ?? "", "CANARYofA");
    await write(other.daemon.replica, theirs.tenant, theirs.farm, theirs.barns[0]?.barn ?? "", "CANARYofB");
    await Promise.all([edge.drained(), other.drained()]);
    expect(await tablesWith(hub.database, "CANARYof[AB]")).toContain("public.barn_mortality_event");
    expect(await tablesWith(edge.database, "CANARYofB")).toEqual([]);
    expect(await tablesWith(other.database, "CANARYofA")).toEqual([]);
    expect(await tablesWith(tablet.database, "CANARYofB")).toEqual([]);
    expect(await tablesWith(other.database, "CANARYofB")).toContain("public.barns");
  });

  it("S5.1 no email and no password is in an edge's or a tablet's database or directory", async () => {
    await until(
      "the person is known",
      async () => (await countOf(tablet.database, "farm_users where display_name = 'Ann'")) === 1,
    );
    for (const database of [edge.database, tablet.database])
      expect(await tablesWith(database, "secret\\.example|argon2")).toEqual([]);
    const files = await readdir(edge.dataDir, { recursive: true, withFileTypes: true });
    for (const file of files.filter((item) => item.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name));
      expect([file.name, bytes.includes("secret.example"), bytes.includes("argon2$secret")]).toEqual([file.name, false, false]);
    }
  });

  it("S5.5 a farm's location is at the edge and never at a tablet", async () => {
    await hub.database.query("update farms set location = 'Hidden lane' where tenant_id = $1", [ours.tenant]);
    await hub.database.query("update barns set capacity = 77 where tenant_id = $1 and id = $2", [ours.tenant, barnA ?? ""]);
    await until(
      "the later change is at the tablet",
      async () => (await countOf(tablet.database, "barns where capacity = 77")) === 1,
    );
    expect(await countOf(edge.database, "farms where location = 'Hidden lane'")).toBe(1);
    expect(await tablesWith(tablet.database, "Hidden lane|Lane of")).toEqual([]);
    expect(await countOf(tablet.database, "farms where location is null")).toBe(1);
  });

  it("S4.4 a tablet sees only its own barn", async () => {
    const { rows } = await tablet.database.query<{ id: string }>("select id from barns");
    expect(rows.map(({ id }) => id)).toEqual([barnA]);
  });
});

describe("what is refused", () => {
  it("S4.1 P-C13 an edge that writes the registry is refused once and gets the true row back, visible on both tiers; the rest flows", async () => {
    await writeAs(edge.database, "edge", "cloud", async (tx) => {
      await tx.query("update barns set name = 'Forged' where tenant_id = $1 and id = $2", [ours.tenant, barnA ?? ""]);
    });
    const id = await write(edge.daemon.replica, ours.tenant, ours.farm, barnA ?? "", "after the poison");
    await edge.drained();
    await until("the row behind it", async () => (await countOf(hub.database, "barn_mortality_event where id = $1", [id])) === 1);
    await becomeEqual(edge.database, hub.database, ours.tenant, sharedTables("cloud", "edge"));
    expect(await countOf(edge.database, "barns where name = 'Forged'")).toBe(0);
    expect((await held(edge.database)).map(({ code }) => code)).toEqual(["refused-writer"]);
    expect(await held(hub.database)).toEqual(await held(edge.database));
  });

  it("S4.4 P-C9 a tablet's row for another barn is set aside with the reason scope at every tier, and its other rows stay", async () => {
    const before = await write(tablet.replica, ours.tenant, ours.farm, barnA ?? "", "mine");
    const wrongId = newId();
    // The barn's row is not at the tablet, so its own foreign key would stop it: what is forged is the tablet's database.
    await tablet.database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      await tx.query("insert into barns (tenant_id, farm_id, id, name) values ($1, $2, $3, 'Peeked')", [
        ours.tenant,
        ours.farm,
        barnB ?? "",
      ]);
    });
    const { receipt } = await tablet.replica.write(async (db) => {
      await db
        .insertInto("barn_mortality_event")
        .values({
          tenant_id: ours.tenant,
          id: wrongId,
          farm_id: ours.farm,
          barn_id: barnB ?? "",
          occurred_at: new Date(),
          animal_count: 9,
        })
        .execute();
    });
    const after = await write(tablet.replica, ours.tenant, ours.farm, barnA ?? "", "mine again");
    expect(await receipt?.until("parent", { deadlineMs: 60_000 })).toEqual({ outcome: "refused", code: "refused-scope" });
    await until(
      "the other rows",
      async () => (await countOf(hub.database, "barn_mortality_event where id in ($1, $2)", [before, after])) === 2,
    );
    expect(await countOf(hub.database, "barn_mortality_event where id = $1", [wrongId])).toBe(0);
    await until(
      "the row is taken back",
      async () => (await countOf(tablet.database, "barn_mortality_event where id = $1", [wrongId])) === 0,
    );
    const mine = { code: "refused-scope", origin: receipt?.origin, seq: receipt?.seq };
    expect(await held(tablet.database)).toEqual([mine]);
    expect(await held(edge.database)).toContainEqual(mine);
  });

  const [farmA, tenantA] = [ours.farm, ours.tenant];
  it.each<readonly [string, string, (edgeKey: KeyIdentity) => Commit]>([
    ["tenant", "refused-scope", (key) => forgeCommit(key, [mortality(theirs.tenant, theirs.farm, theirs.barns[0]?.barn ?? "")])],
    ["farm", "refused-scope", (key) => forgeCommit(key, [mortality(tenantA, theirs.farm, barnA ?? "")])],
    ["barn", "refused-scope", (key) => forgeCommit(key, [mortality(tenantA, farmA, barnB ?? "")])],
    [
      "tier",
      "refused-writer",
      (key) => forgeCommit(key, [insertOf("feed_formula", { tenant_id: tenantA, id: newId(), name: "x" })], { tier: "cloud" }),
    ],
    [
      "table that does not exist",
      "refused-schema",
      (key) => forgeCommit(key, [insertOf("no_such_table", { tenant_id: tenantA, id: newId() })]),
    ],
    [
      "table of the engine",
      "refused-schema",
      (key) => forgeCommit(key, [insertOf("hayloft_peer", { tenant_id: tenantA, id: newId() })]),
    ],
    [
      "table of the database",
      "refused-schema",
      (key) => forgeCommit(key, [insertOf("pg_authid", { tenant_id: tenantA, rolname: "x" })]),
    ],
    [
      "column that does not exist",
      "refused-schema",
      (key) => forgeCommit(key, [mortality(tenantA, farmA, barnA ?? "", { drop_table: "1" })]),
    ],
    [
      "table of accounts",
      "refused-schema",
      (key) => forgeCommit(key, [insertOf("users", { tenant_id: tenantA, id: newId(), email: "x@y.z", display_name: "x" })]),
    ],
    [
      "author of another node",
      "refused-writer",
      (key) => forgeCommit(key, [mortality(tenantA, farmA, barnA ?? "")], { node: newId() }),
    ],
  ])(
    "P-C9 F-G5 F-F5 S13.6 a forged %s is refused as %s at hub and edge, recorded, and others are unaffected",
    async (_what, code, forge) => {
      const before = await fingerprint(theirs.tenant);
      for (const [url, tier, database] of [
        [hub.hub.syncUrl, "edge", hub.database],
        [edge.address.url, "tablet", edge.database],
      ] as const) {
        const key = await enrolNode(hub, { tenant: tenantA, tier, farms: [farmA], barns: [barnA ?? ""] });
        await until("the node is known", async () => (await countOf(database, "replica_node where id = $1", [key.nodeId])) === 1);
        const honest = forgeCommit(key, [mortality(tenantA, farmA, barnA ?? "")]);
        const forged = forge(key);
        const node = await pushCommits(url, key, [forged]);
        expect(node).not.toBeNull();
        const ack = await node?.frame("ack");
        expect([tier, ack?.outcomes.map(({ outcome, code: reason }) => [outcome, reason])]).toEqual([tier, [["refused", code]]]);
        expect(await held(database)).toContainEqual({ code, origin: forged.origin, seq: 1 });
        node?.close();
        const good = await pushCommits(url, key, [honest]);
        const outcomes = (await good?.frame("ack"))?.outcomes.filter(({ origin }) => origin === honest.origin);
        expect(outcomes).toEqual([]);
        good?.close();
      }
      expect(await fingerprint(theirs.tenant)).toBe(before);
    },
  );

  it("P-E3 F-G7 S13.6 a recorded proof of a real session opens no second one", async () => {
    const key = await enrolNode(hub, { tenant: tenantA, tier: "edge", farms: [farmA] });
    const nonce = new Uint8Array(32).fill(7);
    const recorded: Uint8Array[] = [];
    const recording = Object.assign(Object.create(Object.getPrototypeOf(key) as object) as KeyIdentity, {
      nodeId: key.nodeId,
      tier: key.tier,
      tenant: key.tenant,
      publicKey: key.publicKey,
      sign: (bytes: Uint8Array) => {
        const signature = key.sign(bytes);
        recorded.push(signature);
        return signature;
      },
    });
    const first = new RawNode(hub.hub.syncUrl);
    expect(await first.handshake(recording, { nonce })).not.toBeNull();
    first.close();
    const second = new RawNode(hub.hub.syncUrl);
    const replayed = Object.assign(Object.create(Object.getPrototypeOf(key) as object) as KeyIdentity, {
      nodeId: key.nodeId,
      tier: key.tier,
      tenant: key.tenant,
      publicKey: key.publicKey,
      sign: () => recorded[0] ?? new Uint8Array(64),
    });
    expect(await second.handshake(replayed, { nonce })).toBeNull();
    expect(second.received.find((frame) => frame.type === "error")).toMatchObject({ code: "auth-failed" });
  });

  it("S4.4 F-G3 F-G4 a tablet that is revoked at the hub is cut off by its edge; its earlier rows stay", async () => {
    const extra = await TestTablet.enrol(hub, { tenant: tenantA, farms: [farmA] });
    await extra.connect(edge.address);
    const before = await write(extra.replica, tenantA, farmA, barnA ?? "", "before");
    await until("the row", async () => (await countOf(hub.database, "barn_mortality_event where id = $1", [before])) === 1);
    await revokeNode(hub.database, extra.identity.nodeId);
    await until(
      "the end of its session",
      () => !edge.daemon.replica.children().some(({ node }) => node === extra.identity.nodeId),
    );
    const after = await write(extra.replica, tenantA, farmA, barnA ?? "", "after");
    await until("a refused attempt", async () => (await extra.replica.status()).peers[0]?.lastError?.code === "auth-failed");
    expect(await countOf(hub.database, "barn_mortality_event where id = $1", [before])).toBe(1);
    expect(await countOf(edge.database, "barn_mortality_event where id = $1", [after])).toBe(0);
    await extra.end();
  });

  it("S5.4 a suspended tenant's edge works on, sends nothing, and loses nothing; the other tenant does not notice", async () => {
    await setTenantStatus(hub.database, theirs.tenant, "suspended");
    await until("the end of the session", () => !hub.hub.replica.children().some(({ tenant }) => tenant === theirs.tenant));
    const ids = [
      await write(other.daemon.replica, theirs.tenant, theirs.farm, theirs.barns[0]?.barn ?? "", "held"),
      await write(edge.daemon.replica, tenantA, farmA, barnA ?? "", "free"),
    ];
    await edge.drained();
    expect(
      await countOf(hub.database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [ids.join(",")]),
    ).toBe(1);
    await setTenantStatus(hub.database, theirs.tenant, "active");
    await other.drained(120_000);
    expect(
      await countOf(hub.database, "barn_mortality_event where id = any(string_to_array($1, ',')::uuid[])", [ids.join(",")]),
    ).toBe(2);
    expect(await held(other.database)).toEqual([]);
  });
});
