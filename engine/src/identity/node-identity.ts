import { platform } from "#platform";
import { HayloftError } from "../error/hayloft-error.ts";
import { fromBase64, toBase64 } from "../platform/byte-text.ts";
import { pkcs8OfSeed, seedBytes, seedOfPkcs8 } from "../platform/ed25519-der.ts";
import type { KeyPair } from "../platform/platform.ts";
import { newId } from "./new-id.ts";

/** Who a replica is, and the means to prove it. */
export interface NodeIdentity {
  /** A uuid. */
  readonly nodeId: string;
  readonly tier: string;
  /** The one tenant the node belongs to; null for the top of the tree, which serves many. */
  readonly tenant: string | null;
  /** The raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** An Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** What the identity file holds. `privateKey` is PKCS #8 in base64. */
export interface IdentityRecord {
  readonly nodeId: string;
  readonly tier: string;
  readonly tenant: string | null;
  readonly privateKey: string;
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u;

/** An identity whose key is in this process's memory. */
export class KeyIdentity implements NodeIdentity {
  readonly nodeId: string;
  readonly tier: string;
  readonly tenant: string | null;
  readonly publicKey: Uint8Array;
  readonly #seed: Uint8Array;
  readonly #keyPair: KeyPair;

  constructor(of: Pick<NodeIdentity, "nodeId" | "tier" | "tenant">, seed: Uint8Array) {
    this.nodeId = of.nodeId;
    this.tier = of.tier;
    this.tenant = of.tenant;
    this.#seed = seed;
    this.#keyPair = platform.keyPair(seed);
    this.publicKey = this.#keyPair.publicKey;
  }

  sign(bytes: Uint8Array): Uint8Array {
    return this.#keyPair.sign(bytes);
  }

  /** The record that `loadIdentity` reads back. It holds the secret: store it with mode 0600 and log it nowhere. */
  toRecord(): IdentityRecord {
    const privateKey = toBase64(pkcs8OfSeed(this.#seed));
    return { nodeId: this.nodeId, tier: this.tier, tenant: this.tenant, privateKey };
  }
}

/** Makes a key pair for a new node. `nodeId` is a new uuid unless it is given. */
export function createIdentity(options: {
  readonly tier: string;
  readonly tenant: string | null;
  readonly nodeId?: string;
}): KeyIdentity {
  const { tier, tenant, nodeId = newId() } = options;
  return new KeyIdentity({ nodeId, tier, tenant }, platform.randomBytes(seedBytes));
}

/** The identity in a record. Throws `identity-invalid` when a part is missing or damaged. */
export function identityFromRecord(record: unknown): KeyIdentity {
  const part = identityPart(record);
  const der = fromBase64(part.privateKey);
  const seed = der === null ? null : seedOfPkcs8(der);
  // No cause on purpose: it may quote the key.
  if (seed === null) throw new HayloftError("identity-invalid", { part: "privateKey" });
  return new KeyIdentity(part, seed);
}

function identityPart(record: unknown): IdentityRecord {
  if (typeof record !== "object" || record === null) throw new HayloftError("identity-invalid", { part: "all" });
  const { nodeId, tier, tenant, privateKey } = record as Record<string, unknown>;
  if (typeof nodeId !== "string" || !uuidPattern.test(nodeId)) throw new HayloftError("identity-invalid", { part: "nodeId" });
  if (typeof tier !== "string" || tier === "") throw new HayloftError("identity-invalid", { part: "tier" });
  if (tenant !== null && (typeof tenant !== "string" || tenant === ""))
    throw new HayloftError("identity-invalid", { part: "tenant" });
  if (typeof privateKey !== "string") throw new HayloftError("identity-invalid", { part: "privateKey" });
  return { nodeId, tier, tenant, privateKey };
}

/** True when `signature` over `bytes` was made with the private key of `publicKey` (raw, 32 bytes). Never throws. */
export const verifySignature = (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean =>
  platform.verify(publicKey, bytes, signature);
