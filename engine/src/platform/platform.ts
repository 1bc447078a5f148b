/**
 * What the engine needs of the machine it runs on and the language does not have. `#platform` is Node's by default and the
 * browser's under the condition `browser`; both give the same bytes for the same input.
 */
export interface Platform {
  /** SHA-256 of bytes, or of the UTF-8 form of a text; 32 bytes. */
  sha256(input: string | Uint8Array): Uint8Array;
  /** Bytes from a cryptographic generator. */
  randomBytes(count: number): Uint8Array;
  /** Raw deflate (RFC 1951), fast rather than small. */
  deflate(bytes: Uint8Array): Uint8Array;
  /** Inflates raw deflate, never beyond `sizeMax` bytes. Throws when the bytes are not raw deflate or give more. */
  inflate(bytes: Uint8Array, sizeMax: number): Uint8Array;
  utf8Bytes(text: string): Uint8Array;
  /** Throws when the bytes are not UTF-8. */
  utf8Text(bytes: Uint8Array): string;
  /** Bytes that are known to be ASCII, as text. */
  asciiText(bytes: Uint8Array): string;
  /** The Ed25519 key pair (RFC 8032) of a seed of 32 bytes. */
  keyPair(seed: Uint8Array): KeyPair;
  /** True when `signature` over `bytes` was made with the private key of `publicKey` (raw, 32 bytes). Never throws. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
  /** A guard that knows whether the running code was called from inside a transaction's work. */
  nestingGuard(): NestingGuard;
}

export interface KeyPair {
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A signature, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** Knows whether the running code was called from inside a transaction's work that has not ended. */
export interface NestingGuard {
  readonly inside: boolean;
  /** Runs `work` as the inside of a transaction, until it settles. */
  run<T>(work: () => Promise<T>): Promise<T>;
}
