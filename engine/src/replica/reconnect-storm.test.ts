import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { catalogHash } from "../catalog/catalog-hash.ts";
import { commitHash, firstPreviousHash } from "../commit/commit-hash.ts";
import type { Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import type { KeyIdentity } from "../identity/node-identity.ts";
import { createIdentity } from "../identity/node-identity.ts";
import { defaultBackoff, fullJitterMs } from "../link/backoff.ts";
import type { Frame, WelcomeFrame } from "../protocol/frame.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame-codec.ts";
import { proofOf } from "../session/proof.ts";
import { effort } from "../testing/effort.ts";
import { Harbour, harbourCatalog, tenant } from "./testing/harbour.ts";

const CHILDREN = effort(1_000);
/** They come again sooner than nodes do: a harder storm, and a shorter one. */
const IMPATIENT = { ...defaultBackoff, capMs: 4_000 };
/** Too few for all of them, whatever their number. */
const limits = {
  handshakesPerSecond: 0.15 * CHILDREN,
  handshakesAtOnce: 0.05 * CHILDREN,
  unauthenticatedPerAddressMax: 0.2 * CHILDREN,
};

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

/** The one commit that a child has to bring home. */
function commitOf(identity: KeyIdentity): Commit {
  const values = [[tenant], [newId()], [null], [identity.nodeId], ["1"]];
  const columns = ["tenant_id", "id", "ship_id", "what", "count"];
  const commit = {
    tenant,
    origin: newId(),
    seq: 1,
    stamp: BigInt(Date.now()) << 16n,
    node: identity.nodeId,
    tier: identity.tier,
    author: null,
    catalogVersion: harbourCatalog.version,
    previousHash: firstPreviousHash(),
    changes: [{ table: "sighting", op: "insert" as const, columns, values, rowCount: 1 }],
  };
  return { ...commit, hash: commitHash(commit) };
}

/** One connection: true when the commit was acknowledged, false when the connection ended before. */
async function attempt(url: string, identity: KeyIdentity, commit: Commit): Promise<boolean> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const send = (frame: Frame): void => socket.send(encodeFrame(frame));
  const nonce = new Uint8Array(randomBytes(32));
  const hello = {
    type: "hello",
    protocols: [1],
    application: harbourCatalog.name,
    catalogVersion: harbourCatalog.version,
    catalogHash: catalogHash(harbourCatalog),
    tenant,
    node: identity.nodeId,
    tier: identity.tier,
    nonce,
    extensions: [],
  } as const;
  const heads = [{ tenant, incarnation: commit.origin, position: 1, seq: 1, stamp: commit.stamp }];
  const prove = (welcome: WelcomeFrame): void => {
    const signature = identity.sign(proofOf("child", hello, welcome.nonce, welcome.node));
    send({ type: "prove", signature, nowMs: Date.now(), heads, received: [], staged: [], credit: 0 });
  };
  return await new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(false));
    socket.on("open", () => send(hello));
    socket.on("message", (data: Buffer) => {
      const frame = decodeFrame(new Uint8Array(data));
      if (frame.type === "welcome") prove(frame);
      if (frame.type === "ready") {
        const slice = { tenant, incarnation: commit.origin, after: 0, upTo: 1, head: 1, commits: [commit] };
        send({ type: "commits", slice });
      }
      if (frame.type === "ack" && frame.position === 1) {
        resolve(true);
        socket.terminate();
      }
    });
  });
}

it(
  `F-B6 O14 ${String(CHILDREN)} children that come back at once are let in by rate, and each brings its commit home`,
  { timeout: 240_000 },
  async () => {
    const database = await harbour.fresh("cloud");
    const { replica: hub } = await harbour.hub(database, { limits });
    const { url } = await harbour.serve(hub);
    const identities = Array.from({ length: CHILDREN }, () => createIdentity({ tier: "tablet", tenant }));
    await database.query(
      `insert into replica_node (tenant_id, id, name, tier, role, public_key, scopes)
      select $1, id, 'sailor', 'tablet', 'crew', key, '{}' from unnest($2::uuid[], $3::text[]) as n (id, key)`,
      [
        tenant,
        identities.map(({ nodeId }) => nodeId),
        identities.map(({ publicKey }) => Buffer.from(publicKey).toString("base64url")),
      ],
    );
    let refused = 0;
    await Promise.all(
      identities.map(async (identity) => {
        const commit = commitOf(identity);
        for (let count = 0; !(await attempt(url, identity, commit)); count += 1) {
          refused += 1;
          await pause(fullJitterMs(count, Math.random(), IMPATIENT));
        }
      }),
    );
    const { rows } = await database.query<{ rows: number; nodes: number }>(
      "select count(*)::int as rows, count(distinct what)::int as nodes from sighting",
    );
    expect(rows).toEqual([{ rows: CHILDREN, nodes: CHILDREN }]);
    expect(refused).toBeGreaterThan(CHILDREN / 2);
  },
);
