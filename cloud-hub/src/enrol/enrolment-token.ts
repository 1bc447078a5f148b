import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const PREFIX = "hlt_";
const SECRET_BYTES = 32;

/** A new one-time token: 256 random bits. Shown once; only its `tokenHash` is stored. */
export function newToken(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
}

/** What is stored of a token: its sha256 in hex. A token is random enough that no slow hash is needed. */
export function tokenHash(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

/** Compares two secrets in a time that tells neither their content nor their length. */
export function sameSecret(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();
  return timingSafeEqual(digest(left), digest(right));
}
