import { AsyncLocalStorage } from "node:async_hooks";
import { isUtf8 } from "node:buffer";
import type { KeyObject } from "node:crypto";
import * as crypto from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { plainBytes } from "../commit/plain-bytes.ts";
import { pkcs8OfSeed } from "./ed25519-der.ts";
import type { KeyPair, NestingGuard, Platform } from "./platform.ts";

// Buffer's conversions are several times faster than TextDecoder's.
const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** DER of SubjectPublicKeyInfo for Ed25519 up to the key itself (RFC 8410). */
const publicKeyPrefix = Buffer.from("302a300506032b6570032100", "hex");
const publicKeyBytes = 32;

function keyPair(seed: Uint8Array): KeyPair {
  const privateKey: KeyObject = crypto.createPrivateKey({ key: Buffer.from(pkcs8OfSeed(seed)), format: "der", type: "pkcs8" });
  const der = crypto.createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(der.subarray(der.length - publicKeyBytes)),
    sign: (bytes) => new Uint8Array(crypto.sign(null, bytes, privateKey)),
  };
}

function verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== publicKeyBytes) return false;
  try {
    const key = crypto.createPublicKey({ key: Buffer.concat([publicKeyPrefix, publicKey]), format: "der", type: "spki" });
    return crypto.verify(null, bytes, key, signature);
  } catch {
    return false;
  }
}

/** A transaction's work: of which guard, whether it has not ended, and inside which open one it was called. */
interface Scope {
  readonly guard: symbol;
  open: boolean;
  readonly outer: Scope | null;
}

/** One for all guards: Node 20 visits every storage that was ever used at each promise, and never forgets one. */
const scopes = new AsyncLocalStorage<Scope>();

function openScope(of: (scope: Scope) => boolean = () => true): Scope | null {
  let scope: Scope | null = scopes.getStore() ?? null;
  while (scope !== null && !(scope.open && of(scope))) scope = scope.outer;
  return scope;
}

/** Follows calls through promises and timers. */
function nestingGuard(): NestingGuard {
  const guard = Symbol("guard");
  return {
    get inside(): boolean {
      return openScope((scope) => scope.guard === guard) !== null;
    },
    run: async (work) => {
      const scope = { guard, open: true, outer: openScope() };
      return await scopes.run(scope, async () => {
        try {
          return await work();
        } finally {
          scope.open = false;
        }
      });
    },
  };
}

export const platform: Platform = {
  // The one-shot function exists from Node 20.12 on and costs half as much for short inputs.
  sha256:
    typeof crypto.hash === "function"
      ? (input) => plainBytes(crypto.hash("sha256", input, "buffer"))
      : (input) => plainBytes(crypto.createHash("sha256").update(input).digest()),
  randomBytes: (count) => new Uint8Array(crypto.randomBytes(count)),
  // Level 1: for 1,000 rows of readings 28.8 bytes a row in 0.3 µs; level 6 gives 28.6 in 0.45, Huffman coding alone 37.
  deflate: (bytes) => plainBytes(deflateRawSync(bytes, { level: 1 })),
  inflate: (bytes, sizeMax) => plainBytes(inflateRawSync(bytes, { maxOutputLength: Math.max(1, sizeMax) })),
  utf8Bytes: (text) => Buffer.from(text, "utf8"),
  utf8Text: (bytes) => {
    if (!isUtf8(bytes)) throw new TypeError("not UTF-8");
    return view(bytes).toString("utf8");
  },
  asciiText: (bytes) => view(bytes).toString("latin1"),
  keyPair,
  verify,
  nestingGuard,
};
