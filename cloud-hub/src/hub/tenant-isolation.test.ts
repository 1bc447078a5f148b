import type { Change, Commit, Frame, KeyIdentity } from "@hayloft/engine";
import { commitHash, createIdentity, firstPreviousHash, identityFromRecord, newId } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestHub } from "../testing/test-hub.ts";
import { createTestFarm, enrolTestNode, startTestHub } from "../testing/test-hub.ts";
import { RawChild } from "../testing/raw-child.ts";

let hub: TestHub;
let ours: KeyIdentity;
let theirs: KeyIdentity;

beforeAll(async () => {
  hub = await startTestHub();
  for (const tenant of ["t-a", "t-b"]) await createTestFarm(hub.database, tenant);
  await hub.database.query("update barns set name = 'Secret of B' where tenant_id = 't-b'");
  ours = await enrolTestNode(hub, "t-a");
  theirs = await enrolTestNode(hub, "t-b");
});

afterAll(async () => await hub.end());

/** Our key under the ids of somebody else. */
const posing = (part: { readonly nodeId?: string; readonly tenant?: string; readonly tier?: string }): KeyIdentity =>
  identityFromRecord({ ...ours.toRecord(), ...part });

function telemetry(tenant: string, more: { readonly farm?: string; readonly barn?: string; readonly id?: string } = {}): Change {
  const cells: Readonly<Record<string, string | null>> = {
    tenant_id: tenant,
    id: more.id ?? newId(),
    farm_id: more.farm ?? "t-a-f",
    barn_id: more.barn ?? "t-a-b",
    device_id: "d",
    metric: "temperature",
    value: "21.5000",
    unit: "C",
    occurred_at: new Date().toISOString().replace("T", " ").replace("Z", "+00"),
    event_id: newId(),
  };
  return {
    table: "telemetry_raw",
    op: "insert",
    columns: Object.keys(cells),
    values: Object.values(cells).map((cell) => [cell]),
    rowCount: 1,
  };
}

const barnChange = (tenant: string): Change => ({
  table: "barns",
  op: "insert",
  columns: ["tenant_id", "id", "farm_id", "name"],
  values: [[tenant], ["forged"], [`${tenant}-f`], ["Forged"]],
  rowCount: 1,
});

function commitOf(changes: readonly Change[], more: Partial<Commit> = {}): Commit {
  const commit: Commit = {
    tenant: "t-a",
    origin: newId(),
    seq: 1,
    stamp: BigInt(Date.now()) << 16n,
    node: ours.nodeId,
    tier: "edge",
    author: null,
    catalogVersion: 1,
    previousHash: firstPreviousHash(),
    hash: new Uint8Array(32),
    changes,
    ...more,
  };
  return { ...commit, hash: commitHash(commit) };
}

/** How every row of tenant B looks at the hub, and how many tenants there are. */
async function fingerprint(): Promise<string> {
  const { rows } = await hub.database.query<{ text: string }>(
    `select (select string_agg(t::text, '|' order by t::text) from barns t where tenant_id <> 't-a') || (select count(*) from telemetry_raw where tenant_id <> 't-a')
       || (select string_agg(tenant_id, ',' order by tenant_id) from tenants) || coalesce((select string_agg(tenant_id, ',') from hayloft.quarantine where tenant_id <> 't-a'), '')
       || (select string_agg(h.tenant_id || h.position, ',' order by h.tenant_id) from hayloft.head h where h.tenant_id not in ('t-a')) as text`,
  );
  return rows[0]?.text ?? "";
}

/** Sends one commit over a new session of our own node. */
async function push(commit: Commit, slice: { readonly tenant?: string } = {}): Promise<RawChild> {
  const child = new RawChild(hub.syncUrl);
  const head = { tenant: slice.tenant ?? commit.tenant, incarnation: commit.origin, position: 1, seq: 1, stamp: commit.stamp };
  // A log that is not ours is refused by name already; the frames below must then be refused on their own.
  const heads = head.tenant === "t-a" ? [head] : [{ ...head, tenant: "t-a", position: 0, seq: 0 }];
  const ready = await child.handshake(ours, {}, { heads });
  if (ready === null) throw new Error("our own session was refused");
  child.send({
    type: "commits",
    slice: { tenant: slice.tenant ?? commit.tenant, incarnation: commit.origin, after: 0, upTo: 1, head: 1, commits: [commit] },
  });
  return child;
}

describe("tenant isolation on the wire", () => {
  it("takes an honest commit, so that the refusals below are not for the wrong reason", async () => {
    const id = newId();
    const child = await push(commitOf([telemetry("t-a", { id })]));
    expect(await child.frame("ack")).toMatchObject({ tenant: "t-a", position: 1, outcomes: [] });
    expect((await hub.database.query("select 1 from telemetry_raw where tenant_id = 't-a' and id = $1", [id])).rows).toHaveLength(
      1,
    );
    child.close();
  });

  it.each<readonly [string, () => KeyIdentity]>([
    ["another tenant", () => posing({ tenant: "t-b" })],
    ["another node", () => posing({ nodeId: theirs.nodeId })],
    ["another node and tenant", () => posing({ nodeId: theirs.nodeId, tenant: "t-b" })],
    ["the shared tenant", () => posing({ tenant: "_shared" })],
    ["a tenant that does not exist", () => posing({ tenant: "t-none" })],
    ["an unknown node", () => posing({ nodeId: newId() })],
    ["the hub itself", () => posing({ nodeId: hub.nodeId, tenant: "t-a" })],
    ["a tenant with a quote", () => posing({ tenant: "t-a' or '1'='1" })],
    [
      "another key",
      () =>
        identityFromRecord({ ...createIdentity({ tier: "edge", tenant: "t-a" }).toRecord(), nodeId: ours.nodeId, tenant: "t-a" }),
    ],
  ])("P-C9 F-G5 refuses a hello in the name of %s, always with the same answer", async (_what, identity) => {
    const before = await fingerprint();
    const child = new RawChild(hub.syncUrl);
    expect(await child.handshake(identity())).toBeNull();
    expect(await child.closed()).toBe(4401);
    const error = child.received.find((frame) => frame.type === "error");
    expect(error).toMatchObject({ type: "error", code: "auth-failed", details: {} });
    expect(child.received.map((frame) => frame.type)).toEqual(["welcome", "error"]);
    expect(await fingerprint()).toBe(before);
  });

  it("P-C9 the tier, too, comes from the registry and not from the hello", async () => {
    const child = new RawChild(hub.syncUrl);
    const ready = await child.handshake(ours, { tier: "cloud" });
    expect(ready?.grant.tier ?? "edge").toBe("edge");
    child.close();
  });

  it.each<readonly [string, () => Commit, string]>([
    [
      "a commit of another tenant",
      () => commitOf([telemetry("t-b", { farm: "t-b-f", barn: "t-b-b" })], { tenant: "t-b" }),
      "t-b",
    ],
    ["a log of another tenant with rows of ours", () => commitOf([telemetry("t-a")], { tenant: "t-b" }), "t-b"],
    ["the shared tenant's log", () => commitOf([telemetry("t-a")], { tenant: "_shared" }), "_shared"],
  ])("P-C9 F-G5 ends the session for %s and changes nothing", async (_what, commit, tenant) => {
    const before = await fingerprint();
    const child = await push(commit(), { tenant });
    expect(await child.closed()).toBeGreaterThanOrEqual(1002);
    expect(await fingerprint()).toBe(before);
  });

  it.each<readonly [string, () => Commit]>([
    ["a row of another tenant in a commit of ours", () => commitOf([telemetry("t-b", { farm: "t-b-f", barn: "t-b-b" })])],
    ["a row of the shared tenant", () => commitOf([telemetry("_shared")])],
    ["a mixed batch", () => commitOf([telemetry("t-a"), telemetry("t-b")])],
    ["a table that the hub owns", () => commitOf([barnChange("t-a")])],
    ["a table that the hub owns, of another tenant", () => commitOf([barnChange("t-b")])],
    [
      "a node row that would make us administrator",
      () =>
        commitOf([
          { table: "replica_node", op: "delete", columns: ["tenant_id", "id"], values: [["t-b"], [theirs.nodeId]], rowCount: 1 },
        ]),
    ],
    ["a commit in the name of another node", () => commitOf([telemetry("t-a")], { node: theirs.nodeId })],
    ["a commit in the name of another tier", () => commitOf([barnChange("t-a")], { tier: "cloud", node: hub.nodeId })],
    ["a table that does not exist", () => commitOf([{ ...telemetry("t-a"), table: "no_such_table" }])],
    ["a table of the database itself", () => commitOf([{ ...telemetry("t-a"), table: "pg_authid" }])],
    [
      "a secret table",
      () =>
        commitOf([
          { table: "enrolment_tokens", op: "delete", columns: ["tenant_id", "id"], values: [["t-a"], [newId()]], rowCount: 1 },
        ]),
    ],
  ])("P-C9 F-G5 F-G6 F-G8 refuses %s and changes nothing of another tenant", async (_what, commit) => {
    const before = await fingerprint();
    const forged = commit();
    const child = await push(forged);
    // Refused by name, or together with its session. Acknowledgements may come first that tell earlier refusals again.
    const isOurs = (frame: Frame): boolean =>
      frame.type === "reject" || (frame.type === "ack" && frame.outcomes.some((item) => item.origin === forged.origin));
    const answer = await child.answer(isOurs);
    if (answer?.type === "ack") {
      const outcome = answer.outcomes.find((item) => item.origin === forged.origin);
      expect(outcome).toMatchObject({ outcome: "refused" });
      expect(String(outcome?.code)).toMatch(/^refused-(scope|writer|schema)$/);
    }
    expect(
      JSON.stringify(child.received, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ).not.toContain("Secret of B");
    expect(await fingerprint()).toBe(before);
    child.close();
  });

  it("P-C9 F-G5 refuses to open a session that claims logs or positions of other tenants", async () => {
    for (const tenant of ["t-b", "_shared", "t-none"]) {
      const before = await fingerprint();
      const child = new RawChild(hub.syncUrl);
      const head = { tenant, incarnation: newId(), position: 1, seq: 1, stamp: 1n };
      const ready = await child.handshake(
        ours,
        {},
        { heads: [head], received: [{ tenant: "t-b", incarnation: head.incarnation, position: 1 }] },
      );
      const text = JSON.stringify(ready, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
      expect(text).not.toContain("t-b");
      child.close();
      expect(await fingerprint()).toBe(before);
    }
  });

  it("P-C9 F-G5 asks for another tenant's log or snapshot and gets nothing of it", async () => {
    for (const tenant of ["t-b", "_shared", "t-none"]) {
      const child = new RawChild(hub.syncUrl);
      expect(await child.handshake(ours)).not.toBeNull();
      child.send({ type: "snapshot", tenant, cursor: null, tables: null });
      child.send({ type: "ping", nowMs: Date.now() });
      await Promise.race([child.frame("pong"), child.closed()]);
      await child.frame("snapshot_done", 1_000).catch(() => null);
      const text = JSON.stringify(child.received, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
      expect(text).not.toContain("Secret of B");
      expect(text).not.toMatch(/"t-b/);
      child.close();
    }
  });

  it("F-B7 F-B11 malformed, oversized and unexpected frames close the session and nothing else", async () => {
    const noise = [
      new Uint8Array(0),
      new Uint8Array([0xff]),
      new Uint8Array(Buffer.from("{}")),
      new Uint8Array(1024 * 1024 + 1),
      new Uint8Array(4_096).fill(0x9f),
    ];
    for (const bytes of noise) {
      const child = await new RawChild(hub.syncUrl).open();
      child.sendBytes(bytes);
      expect(await child.closed()).toBeGreaterThanOrEqual(1002);
    }
    const early = await new RawChild(hub.syncUrl).open();
    early.send({ type: "ping", nowMs: 0 });
    expect(await early.closed()).toBe(4400);
    expect((await fetch(`${hub.url}/api/ready`)).status).toBe(200);
  });
});
