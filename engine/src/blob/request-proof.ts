import { createHmac, createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { verifySignature, type NodeIdentity } from "../identity/node-identity.ts";

/** What a node signs to prove who sends one HTTP request: nothing of it can be used for another. */
export interface SignedRequest {
  readonly challenge: string;
  readonly node: string;
  readonly tenant: string;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** The header `Upload-Offset`, or an empty text. */
  readonly offset: string;
  /** The header `Upload-Checksum`, or an empty text: with it the signature covers the body. */
  readonly checksum: string;
}

/** A request's claim to come from a node, not yet checked. */
export interface RequestProof {
  readonly challenge: string;
  readonly node: string;
  readonly tenant: string;
  readonly signature: Uint8Array;
}

const SCHEME = "Hayloft";
const CHALLENGE_MS = 300_000;
const part = String.raw`"([\w.%~!*'()-]{1,1600})"`;
const headerPattern = new RegExp(`^${SCHEME} challenge=${part}, node=${part}, tenant=${part}, signature=${part}$`, "u");

/**
 * Challenges that a server hands out and later recognises without having kept them. They are valid for five minutes of the server's
 * own clock, so no client's clock matters; processes that share a key recognise each other's.
 */
export class RequestChallenges {
  readonly #secret: Buffer;

  constructor(identity: Pick<NodeIdentity, "sign">) {
    this.#secret = createHash("sha256")
      .update(identity.sign(Buffer.from("hayloft/1 secret of http challenges")))
      .digest();
  }

  /** The value of the header `WWW-Authenticate` of an answer 401. */
  header(nowMs: number): string {
    const body = `${String(nowMs + CHALLENGE_MS)}.${randomBytes(16).toString("base64url")}`;
    return `${SCHEME} challenge="${body}.${this.#mac(body)}"`;
  }

  /** True for a challenge of ours that has not expired. */
  accepts(challenge: string, nowMs: number): boolean {
    const at = challenge.lastIndexOf(".");
    const [body, mac] = [challenge.slice(0, Math.max(at, 0)), challenge.slice(at + 1)];
    const untilMs = Number(body.split(".")[0]);
    return sameText(mac, this.#mac(body)) && untilMs > nowMs && untilMs <= nowMs + CHALLENGE_MS;
  }

  #mac(body: string): string {
    return createHmac("sha256", this.#secret).update(body).digest("base64url");
  }
}

/** The challenge in a `WWW-Authenticate` header, or null. */
export const challengeOf = (header: string | undefined): string | null =>
  /^Hayloft challenge="([\w.-]{1,200})"$/u.exec(header ?? "")?.[1] ?? null;

/** The value of the header `Authorization` by which a node proves that it sends this request. */
export function proveRequest(identity: Pick<NodeIdentity, "sign">, request: SignedRequest): string {
  const signature = Buffer.from(identity.sign(proofText(request))).toString("base64url");
  const { challenge, node, tenant } = request;
  // A tenant's id may hold characters that no header may.
  return `${SCHEME} challenge="${challenge}", node="${node}", tenant="${encodeURIComponent(tenant)}", signature="${signature}"`;
}

/** Reads an `Authorization` header of this kind; null for any other. */
export function readProof(header: string | undefined): RequestProof | null {
  const [, challenge, node, tenant, signature] = headerPattern.exec(header ?? "") ?? [];
  if (challenge === undefined || node === undefined || tenant === undefined || signature === undefined) return null;
  try {
    return { challenge, node, tenant: decodeURIComponent(tenant), signature: Buffer.from(signature, "base64url") };
  } catch {
    return null;
  }
}

/** True when the proof's signature is the key's over this request. Whether its challenge is ours is for `accepts`. */
export const isProven = (
  proof: RequestProof,
  publicKey: Uint8Array,
  request: Pick<SignedRequest, "method" | "path" | "offset" | "checksum">,
): boolean => verifySignature(publicKey, proofText({ ...proof, ...request }), proof.signature);

function proofText(request: SignedRequest): Uint8Array {
  const { challenge, node, tenant, method, path, offset, checksum } = request;
  return Buffer.from(["hayloft/1 http", challenge, node, encodeURIComponent(tenant), method, path, offset, checksum].join("\n"));
}

/** Compares in a time that does not tell how much of the text is right. */
function sameText(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
