import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { newId } from "../identity/new-id.ts";
import { createIdentity } from "../identity/node-identity.ts";
import type { KeyIdentity } from "../identity/node-identity.ts";
import { firstPreviousHash } from "../commit/commit-hash.ts";
import { proofOf } from "../session/proof.ts";
import { enrol, eventually, Harbour, tenant } from "./testing/harbour.ts";
import type { HarbourReplica } from "./testing/harbour.ts";
import { RawChild } from "./testing/raw-child.ts";

const limits = { firstFrameMs: 1_500, handshakeMs: 2_500, slowConsumerMs: 1_000 };
let harbour = new Harbour();
let hub: HarbourReplica;
let url = "";
let node: KeyIdentity;

beforeEach(async () => {
  harbour = new Harbour();
  hub = (await harbour.hub(await harbour.fresh("cloud"), { limits })).replica;
  url = (await harbour.serve(hub, ["https://app.example"])).url;
  node = createIdentity({ tier: "tablet", tenant });
  await enrol(hub, node, { ship: ["s1"] });
});
afterEach(async () => await harbour.close());

const connect = async (): Promise<RawChild> => {
  const child = await RawChild.connect(url);
  harbour.onClose(async () => child.socket.terminate());
  return child;
};

describe("who may have a session", () => {
  it("F-G5 a node of no tenant, of another tenant, a wrong key and a revoked node all hear the same, after the same steps", async () => {
    const stranger = createIdentity({ tier: "tablet", tenant });
    const revoked = createIdentity({ tier: "tablet", tenant });
    await enrol(hub, revoked);
    await hub.db.updateTable("replica_node").set({ status: "revoked" }).where("id", "=", revoked.nodeId).execute();
    const attempts = [
      { identity: stranger },
      { identity: node, key: stranger },
      { identity: node, forged: { tenant: "enemy" } },
      { identity: revoked },
    ];
    for (const { identity, ...options } of attempts) {
      const child = await connect();
      await child.greet(identity, options);
      expect(await child.refusal()).toEqual({ code: "auth-failed", closeCode: 4401, details: {} });
      expect(child.frames.map((frame) => frame.type)).toEqual(["welcome", "error"]);
    }
  });

  it("F-G8 tier and grant come from the registry, whatever the child says", async () => {
    const child = await connect();
    await child.greet(node, { forged: { tier: "cloud" } });
    expect((await child.next("ready")).grant).toEqual({ tenant, tier: "tablet", role: "crew", scopes: { ship: ["s1"] } });
  });

  it("F-G7 a recorded session, replayed, proves nothing: the parent's nonce is new", async () => {
    const first = await connect();
    const hello = first.hello(node);
    const welcome = await first.next("welcome");
    const signature = node.sign(proofOf("child", hello, welcome.nonce, welcome.node));
    const prove = { type: "prove", signature, nowMs: Date.now(), heads: [], received: [], staged: [], credit: 1 } as const;
    first.send(prove);
    await first.next("ready");
    const second = await connect();
    second.send(hello);
    await second.next("welcome");
    second.send(prove);
    expect(await second.refusal()).toMatchObject({ code: "auth-failed", closeCode: 4401 });
    expect(first.closeCode).toBeNull();
  });

  it("F-B14 the newest session of a node wins", async () => {
    const older = await connect();
    await older.greet(node);
    await older.next("ready");
    const newer = await connect();
    await newer.greet(node);
    await newer.next("ready");
    expect(await older.refusal()).toMatchObject({ code: "session-replaced", closeCode: 4409 });
    expect(newer.closeCode).toBeNull();
  });

  it("F-G3 revocation ends a live session at once, and the node does not come back", async () => {
    const child = await connect();
    await child.greet(node);
    await child.next("ready");
    const startMs = performance.now();
    await hub.database.query("update replica_node set status = 'revoked' where id = $1", [node.nodeId]);
    expect(await child.refusal()).toMatchObject({ code: "auth-revoked", closeCode: 4403 });
    expect(performance.now() - startMs).toBeLessThan(3_000);
    const again = await connect();
    await again.greet(node);
    expect((await again.refusal()).code).toBe("auth-failed");
  });

  it("F-F1 another application, protocol or catalog version is told so before anything else", async () => {
    const forgeries = [
      { forged: { application: "other" }, code: "catalog-version" },
      { forged: { protocols: [9] }, code: "protocol-version" },
      { forged: { catalogVersion: 7 }, code: "catalog-version" },
      { forged: { catalogHash: new Uint8Array(32) }, code: "catalog-version" },
    ];
    for (const { forged, code } of forgeries) {
      const child = await connect();
      child.hello(node, forged);
      expect(await child.refusal()).toMatchObject({ code, closeCode: 4400 });
    }
  });

  it("a page of an origin that is not on the list cannot connect", async () => {
    const attempt = async (origin: string): Promise<string> =>
      await new Promise((resolve) => {
        const socket = new WebSocket(url, { origin });
        socket.on("open", () => resolve("open"));
        socket.on("error", (error) => resolve(error.message));
        harbour.onClose(async () => socket.terminate());
      });
    expect(await attempt("https://app.example")).toBe("open");
    for (const origin of ["https://app.example.evil", "http://app.example", "null", "https://APP.example"]) {
      expect(await attempt(origin)).toContain("403");
    }
  });
});

describe("what a peer may do", () => {
  it("F-G5 a commit of another tenant ends the session and leaves nothing", async () => {
    const child = await connect();
    const incarnation = newId();
    await child.greet(node);
    await child.next("ready");
    const change = {
      table: "note",
      op: "insert",
      columns: ["tenant_id", "id", "body"],
      values: [["enemy"], ["n"], ["x"]],
      rowCount: 1,
    } as const;
    const hash = firstPreviousHash();
    const commit = {
      tenant: "enemy",
      origin: incarnation,
      seq: 1,
      stamp: 1n,
      node: node.nodeId,
      tier: "tablet",
      author: null,
      catalogVersion: 1,
      previousHash: hash,
      hash,
      changes: [change],
    };
    child.send({ type: "commits", slice: { tenant: "enemy", incarnation, after: 0, upTo: 1, head: 1, commits: [commit] } });
    expect(["frame-unexpected", "frame-invalid"]).toContain((await child.refusal()).code);
    expect((await hub.database.query("select 1 from note")).rows).toEqual([]);
    expect((await hub.database.query("select 1 from hayloft.head where tenant_id = 'enemy'")).rows).toEqual([]);
  });

  it("F-B11 bytes that are no frame, and frames out of place, end the session with a code", async () => {
    const garbage = await connect();
    garbage.socket.send(randomBytes(200));
    expect(await garbage.refusal()).toMatchObject({ code: "frame-invalid", closeCode: 4400 });
    const early = await connect();
    early.send({ type: "ping", nowMs: 1 });
    expect(await early.refusal()).toMatchObject({ code: "frame-unexpected", closeCode: 4400 });
    const late = await connect();
    await late.greet(node);
    await late.next("ready");
    late.send({ type: "settled", tenant, origins: [] });
    expect(await late.refusal()).toMatchObject({ code: "frame-unexpected", closeCode: 4400 });
  });

  it("F-B7 a message above the limit is not buffered: the connection is closed", async () => {
    const child = await connect();
    child.socket.send(Buffer.alloc(2 * 1024 * 1024));
    await eventually(
      async () => child.closeCode,
      (code) => code !== null,
    );
    expect([1006, 1009]).toContain(child.closeCode);
    expect(hub.children()).toEqual([]);
  });

  it("F-B10 who says nothing, or stops in the middle of the handshake, is let go", async () => {
    const silent = await connect();
    const halfway = await connect();
    halfway.hello(node);
    expect(await silent.refusal()).toMatchObject({ code: "session-timeout", closeCode: 4408 });
    expect(await halfway.refusal()).toMatchObject({ code: "session-timeout", closeCode: 4408 });
  });

  it("F-B9 a child that does not read is closed after the deadline, and others are served", async () => {
    await hub.database.query(
      "insert into ship (tenant_id, id, name) select $1, 's1', 'x' union all select $1, 'x' || n, (select string_agg(md5(n || '-' || m), '') from generate_series(1, 20) m) from generate_series(1, 20000) n",
      [tenant],
    );
    const reader = createIdentity({ tier: "tablet", tenant });
    await enrol(hub, reader);
    const child = await connect();
    await child.greet(reader, { credit: 1_000_000_000 });
    await child.next("ready");
    child.send({ type: "snapshot", tenant, cursor: null, tables: null });
    child.socket.pause();
    await eventually(
      async () => hub.children().length,
      (count) => count === 0,
      20_000,
    );
    const other = await connect();
    await other.greet(node);
    expect((await other.next("ready")).type).toBe("ready");
  });
});
