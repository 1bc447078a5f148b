import { createPublicKey } from "node:crypto";
import { HayloftError } from "@hayloft/engine";
import * as v from "valibot";
import type { EnrolRequest } from "./enrol-node.ts";

const enrolRequest = v.object({
  token: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  publicKey: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/), v.check(isEd25519Key)),
  name: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(100), v.regex(/^[^\p{Cc}]*$/u)),
  tier: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,62}$/)),
});

/** Checks the body of an enrolment. Throws `request-invalid` that names the part, never its value. */
export function parseEnrolRequest(body: unknown): EnrolRequest {
  const result = v.safeParse(enrolRequest, body, { abortEarly: true });
  if (result.success) return result.output;
  throw new HayloftError("request-invalid", { part: v.getDotPath(result.issues[0]) ?? "body" });
}

function isEd25519Key(text: string): boolean {
  try {
    createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: text }, format: "jwk" });
    return Buffer.from(text, "base64url").toString("base64url") === text;
  } catch {
    return false;
  }
}
