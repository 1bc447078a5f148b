import { randomBytes } from "node:crypto";
import type { Change, Commit, Frame, KeyIdentity } from "@hayloft/engine";
import { catalogHash, commitHash, decodeFrame, encodeFrame, firstPreviousHash, newId } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { WebSocket } from "ws";
import { until } from "./until.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** Dials a parent and says whatever a test wants. */
export class RawNode {
  readonly received: Frame[] = [];
  readonly #socket: WebSocket;
  #closeCode: number | null = null;

  constructor(url: string) {
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket.binaryType = "nodebuffer";
    this.#socket.on("message", (data: Buffer) => this.received.push(decodeFrame(new Uint8Array(data))));
    this.#socket.on("close", (code) => {
      this.#closeCode = code;
    });
    this.#socket.on("error", () => this.#socket.terminate());
  }

  send(frame: Frame): void {
    this.#socket.send(encodeFrame(frame));
  }

  close(): void {
    this.#socket.terminate();
  }

  get closeCode(): number | null {
    return this.#closeCode;
  }

  /** The first frame of the type; null when the socket closes without it. */
  async frame<Type extends Frame["type"]>(type: Type, withinMs = 30_000): Promise<FrameOf<Type> | null> {
    const isWanted = (frame: Frame): frame is FrameOf<Type> => frame.type === type;
    const found = await until(
      `a ${type} frame`,
      () => this.received.find(isWanted) ?? (this.#closeCode === null ? null : ("closed" as const)),
      withinMs,
    );
    return found === "closed" ? null : found;
  }

  /** Everything that came, as text. */
  get transcript(): string {
    return JSON.stringify(this.received, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
  }

  /** The handshake, honest but for what is forged; null when it is refused. */
  async handshake(
    identity: KeyIdentity,
    forged: Partial<FrameOf<"hello">> = {},
    proven: Partial<FrameOf<"prove">> = {},
  ): Promise<FrameOf<"ready"> | null> {
    await until("the socket is open", () => this.#socket.readyState !== WebSocket.CONNECTING, 30_000);
    const hello = {
      type: "hello",
      protocols: [1],
      application: farmCatalog.name,
      catalogVersion: farmCatalog.version,
      catalogHash: catalogHash(farmCatalog),
      tenant: identity.tenant ?? "",
      node: identity.nodeId,
      tier: identity.tier,
      nonce: new Uint8Array(randomBytes(32)),
      extensions: [],
      ...forged,
    } as const satisfies FrameOf<"hello">;
    this.send(hello);
    const welcome = await this.frame("welcome");
    if (welcome === null) return null;
    const proof = Buffer.concat([
      Buffer.from("hayloft/1 child"),
      hello.nonce,
      welcome.nonce,
      Buffer.from(hello.node),
      Buffer.from(welcome.node),
    ]);
    const signature = identity.sign(new Uint8Array(proof));
    this.send({ type: "prove", signature, nowMs: Date.now(), heads: [], received: [], staged: [], credit: 1_000_000, ...proven });
    return await this.frame("ready");
  }
}

/** A commit of one transaction, genuine in its hash, with any part forged. */
export function forgeCommit(identity: KeyIdentity, changes: readonly Change[], forged: Partial<Commit> = {}): Commit {
  const commit: Commit = {
    tenant: identity.tenant ?? "",
    origin: newId(),
    seq: 1,
    stamp: BigInt(Date.now()) << 16n,
    node: identity.nodeId,
    tier: identity.tier,
    author: null,
    catalogVersion: farmCatalog.version,
    previousHash: firstPreviousHash(),
    hash: new Uint8Array(32),
    changes,
    ...forged,
  };
  return { ...commit, hash: commitHash(commit) };
}

/** One inserted row as a change. */
export const insertOf = (table: string, row: Readonly<Record<string, string | null>>): Change => ({
  table,
  op: "insert",
  columns: Object.keys(row),
  values: Object.values(row).map((value) => [value]),
  rowCount: 1,
});

/** Sends commits of one origin over a session of its own; the session stays open. Null when the handshake is refused. */
export async function pushCommits(url: string, identity: KeyIdentity, commits: readonly Commit[]): Promise<RawNode | null> {
  const [first] = commits;
  const last = commits.at(-1);
  if (first === undefined || last === undefined) throw new Error("there is nothing to send");
  const node = new RawNode(url);
  const head = { tenant: first.tenant, incarnation: first.origin, position: last.seq, seq: last.seq, stamp: last.stamp };
  if ((await node.handshake(identity, {}, { heads: [head] })) === null) return null;
  const slice = { tenant: first.tenant, incarnation: first.origin, after: 0, upTo: last.seq, head: last.seq, commits };
  node.send({ type: "commits", slice });
  return node;
}
