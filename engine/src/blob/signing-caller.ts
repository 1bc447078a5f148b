import type { IncomingMessage } from "node:http";
import type { NodeIdentity } from "../identity/node-identity.ts";
import { openHttp } from "./http-call.ts";
import { challengeOf, proveRequest } from "./request-proof.ts";

/** Where signed requests go, and who sends them. */
export interface SignedTarget {
  readonly url: URL;
  readonly identity: Pick<NodeIdentity, "sign" | "nodeId">;
  readonly tenant: string;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string | null;
}

export interface SignedRequestOf {
  readonly method: "GET" | "HEAD" | "PATCH";
  readonly url?: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | null;
  /** The headers that are signed beside method and address. */
  readonly offset?: string;
  readonly checksum?: string;
}

/** When a request is given up, beside by its signal. */
export interface CallPatience {
  /** The peer is silent for so long. */
  readonly silentMs: number;
  /** All of the request and its answer takes longer; null: no matter. */
  readonly wholeMs: number | null;
}

/** Sends requests with a proof of who sends them; a challenge serves until the peer asks for a new one. */
export class SigningCaller {
  readonly #target: SignedTarget;
  readonly #signal: AbortSignal;
  readonly #patience: CallPatience;
  #challenge = "none";

  constructor(target: SignedTarget, signal: AbortSignal, patience: CallPatience) {
    this.#target = target;
    this.#signal = signal;
    this.#patience = patience;
  }

  /** The answer with its body still to be read. Throws `unavailable` without an answer. */
  async open(request: SignedRequestOf): Promise<IncomingMessage> {
    const answer = await this.#once(request);
    const challenge = answer.statusCode === 401 ? challengeOf(answer.headers["www-authenticate"]) : null;
    if (challenge === null) return answer;
    answer.resume();
    this.#challenge = challenge;
    return await this.#once(request);
  }

  async #once(request: SignedRequestOf): Promise<IncomingMessage> {
    const { identity, tenant, ca = null } = this.#target;
    const { method, url = this.#target.url, headers = {}, body = null, offset = "", checksum = "" } = request;
    const path = `${url.pathname}${url.search}`;
    const { silentMs, wholeMs } = this.#patience;
    const signal = wholeMs === null ? this.#signal : AbortSignal.any([this.#signal, AbortSignal.timeout(wholeMs)]);
    const proof = { challenge: this.#challenge, node: identity.nodeId, tenant, method, path, offset, checksum };
    return await openHttp({
      method,
      url,
      headers: { ...headers, authorization: proveRequest(identity, proof) },
      body,
      ca,
      signal,
      silentMs,
    });
  }
}
