import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { HayloftError } from "../error/hayloft-error.ts";
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

const publicKeyBytes = 32;
/** DER of SubjectPublicKeyInfo for Ed25519 up to the key itself (RFC 8410). */
const publicKeyPrefix = Buffer.from("302a300506032b6570032100", "hex");
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u;

/** An identity whose key is in this process's memory. */
export class KeyIdentity implements NodeIdentity {
  readonly nodeId: string;
  readonly tier: string;
  readonly tenant: string | null;
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  constructor(of: Pick<NodeIdentity, "nodeId" | "tier" | "tenant">, privateKey: KeyObject) {
    this.nodeId = of.nodeId;
    this.tier = of.tier;
    this.tenant = of.tenant;
    this.#privateKey = privateKey;
    const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(der.subarray(der.length - publicKeyBytes));
  }

  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#privateKey));
  }

  /** The record that `loadIdentity` reads back. It holds the secret: store it with mode 0600 and log it nowhere. */
  toRecord(): IdentityRecord {
    const privateKey = this.#privateKey.export({ format: "der", type: "pkcs8" }).toString("base64");
    return { nodeId: this.nodeId, tier: this.tier, tenant: this.tenant, privateKey };
  }
}

/** Makes a key pair for a new node. `nodeId` is a new uuid unless it is given. */
export function createIdentity(options: {
  readonly tier: string;
  readonly tenant: string | null;
  readonly nodeId?: string;
}): KeyIdentity {
  const { privateKey } = generateKeyPairSync("ed25519");
  return new KeyIdentity({ nodeId: options.nodeId ?? newId(), tier: options.tier, tenant: options.tenant }, privateKey);
}

/** The identity in a record. Throws `identity-invalid` when a part is missing or damaged. */
export function identityFromRecord(record: unknown): KeyIdentity {
  const part = identityPart(record);
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: Buffer.from(part.privateKey, "base64"), format: "der", type: "pkcs8" });
  } catch {
    // The cause is dropped on purpose: it may quote the key.
    throw new HayloftError("identity-invalid", { part: "privateKey" });
  }
  if (privateKey.asymmetricKeyType !== "ed25519") throw new HayloftError("identity-invalid", { part: "privateKey" });
  return new KeyIdentity(part, privateKey);
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

/** Reads an identity file. Throws `identity-invalid` when it is missing, damaged or not JSON. */
export function loadIdentity(file: string): KeyIdentity {
  let record: unknown;
  try {
    record = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    // A syntax error may quote the file's text, and that holds the key; only a system error's code is passed on.
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "not-json";
    throw new HayloftError("identity-invalid", { file, reason: code });
  }
  return identityFromRecord(record);
}

/** Writes an identity file, readable by its owner only. It is whole and durable when the call returns, or the old one stays. */
export function saveIdentity(file: string, identity: KeyIdentity): void {
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(identity.toRecord(), null, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  // The mode of `openSync` counts for new files only.
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
  const directory = openSync(dirname(file), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** True when `signature` over `bytes` was made with the private key of `publicKey` (raw, 32 bytes). Never throws. */
export function verifySignature(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== publicKeyBytes) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([publicKeyPrefix, publicKey]), format: "der", type: "spki" });
    return verify(null, bytes, key, signature);
  } catch {
    return false;
  }
}
