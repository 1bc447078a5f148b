import { commitHash } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { newId } from "../identity/new-id.ts";
import type { ApplyResult, Grant } from "../replica/replica-storage.ts";
import { TENANT, type TestReplica } from "./test-replica.ts";

/** Sends forged commits as a child would, each with a sound hash chain. */
export class Forger {
  readonly #cloud: TestReplica;
  /** The node in whose name it writes, an edge. */
  readonly node = newId();
  readonly #origin = newId();
  #seq = 0;
  #hash: Uint8Array = new Uint8Array(32);

  constructor(cloud: TestReplica) {
    this.#cloud = cloud;
  }

  async send(changes: readonly Change[], forged: Partial<Commit> = {}, grant: Partial<Grant> = {}): Promise<ApplyResult> {
    const after = this.#seq;
    this.#seq += 1;
    const stamp = BigInt(Date.now()) << 16n;
    const base = {
      tenant: TENANT,
      origin: this.#origin,
      seq: this.#seq,
      stamp,
      node: this.node,
      tier: "edge",
      author: null,
      catalogVersion: 1,
    };
    const commit = { ...base, previousHash: this.#hash, changes, ...forged };
    const hash = commitHash(commit);
    const slice = {
      tenant: TENANT,
      incarnation: this.#origin,
      after,
      upTo: this.#seq,
      head: this.#seq,
      commits: [{ ...commit, hash }],
    };
    const request = {
      peer: this.node,
      from: "child",
      grant: { tenant: TENANT, tier: "edge", role: "node", scopes: {}, ...grant },
      slice,
    } as const;
    const result = await this.#cloud.storage.apply(request);
    this.#hash = hash;
    return result;
  }

  async codeOf(changes: readonly Change[], forged: Partial<Commit> = {}, grant: Partial<Grant> = {}): Promise<ErrorCode | null> {
    return (await this.send(changes, forged, grant)).outcomes.at(-1)?.code ?? null;
  }
}
