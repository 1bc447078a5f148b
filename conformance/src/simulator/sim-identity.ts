import type { NodeIdentity } from "@hayloft/engine";
import { sha256 } from "@hayloft/engine";

/**
 * Identities whose signatures are hashes with a secret: as hard to forge here as real ones, the same on every run and fast.
 * `verify` works because the simulation knows every secret.
 */
export class SimKeys {
  readonly #secrets = new Map<string, string>();

  identity(of: Pick<NodeIdentity, "nodeId" | "tier" | "tenant">): NodeIdentity {
    const secret = `secret of ${of.nodeId}`;
    const publicKey = sha256(secret);
    this.#secrets.set(publicKey.join(), secret);
    return { ...of, publicKey, sign: (bytes) => signature(secret, bytes) };
  }

  readonly verify = (publicKey: Uint8Array, bytes: Uint8Array, claimed: Uint8Array): boolean => {
    const secret = this.#secrets.get(publicKey.join());
    return secret !== undefined && signature(secret, bytes).join() === claimed.join();
  };
}

function signature(secret: string, bytes: Uint8Array): Uint8Array {
  const half = sha256(new Uint8Array([...new TextEncoder().encode(secret), ...bytes]));
  return new Uint8Array([...half, ...sha256(half)]);
}
