import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { deflateSync, Inflate } from "fflate";
import type { NestingGuard, Platform } from "./platform.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin = new TextDecoder("latin1");

/** What is inflated at once: a bomb grows by at most about a thousand times as much before it is seen. */
const INFLATE_STEP_BYTES = 1_024;
const RANDOM_BYTES_MAX = 65_536;

function inflate(bytes: Uint8Array, sizeMax: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  const stream = new Inflate((part, final) => {
    parts.push(part);
    size += part.length;
    ended = final;
  });
  for (let at = 0; at < bytes.length; at += INFLATE_STEP_BYTES) {
    const end = at + INFLATE_STEP_BYTES >= bytes.length;
    stream.push(bytes.subarray(at, at + INFLATE_STEP_BYTES), end);
    if (size > sizeMax) throw new RangeError("inflates to more than was declared");
  }
  if (!ended) throw new TypeError("not raw deflate");
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** No browser can follow calls through promises: a statement outside of a transaction's session waits for the transaction. */
const openGuard = (): NestingGuard => ({ inside: false, run: async (work) => await work() });

export const platform: Platform = {
  sha256: (input) => sha256(typeof input === "string" ? encoder.encode(input) : input),
  randomBytes: (count) => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at += RANDOM_BYTES_MAX) crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
    return bytes;
  },
  deflate: (bytes) => deflateSync(bytes, { level: 1 }),
  inflate,
  utf8Bytes: (text) => encoder.encode(text),
  utf8Text: (bytes) => decoder.decode(bytes),
  asciiText: (bytes) => latin.decode(bytes),
  keyPair: (seed) => {
    const secret = seed.slice();
    return { publicKey: ed25519.getPublicKey(secret), sign: (bytes) => ed25519.sign(bytes, secret) };
  },
  verify: (publicKey, bytes, signature) => {
    try {
      return ed25519.verify(signature, bytes, publicKey);
    } catch {
      return false;
    }
  },
  nestingGuard: openGuard,
};
