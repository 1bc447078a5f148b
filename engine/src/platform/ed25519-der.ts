/** DER of PKCS #8 for an Ed25519 private key up to the seed (RFC 8410). */
const seedPrefix = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]);
export const seedBytes = 32;

/** A seed as PKCS #8. */
export function pkcs8OfSeed(seed: Uint8Array): Uint8Array {
  const der = new Uint8Array(seedPrefix.length + seedBytes);
  der.set(seedPrefix);
  der.set(seed, seedPrefix.length);
  return der;
}

/** The seed in PKCS #8, or null when the bytes are no Ed25519 key of the plain form. */
export function seedOfPkcs8(der: Uint8Array): Uint8Array | null {
  if (der.length !== seedPrefix.length + seedBytes) return null;
  if (seedPrefix.some((byte, index) => der[index] !== byte)) return null;
  return der.slice(seedPrefix.length);
}
