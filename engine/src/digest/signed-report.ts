import { HayloftError } from "../error/hayloft-error.ts";
import { type NodeIdentity, verifySignature } from "../identity/node-identity.ts";
import { fromBase64, toBase64 } from "../platform/byte-text.ts";

/** A report and the proof of who made it. */
export interface SignedReport {
  /** The report as JSON text, exactly as it was signed. */
  readonly report: string;
  /** The raw Ed25519 public key of the node, in base64. */
  readonly publicKey: string;
  /** Ed25519 over the UTF-8 of `hayloft/1 report`, a line feed and the report, in base64. */
  readonly signature: string;
}

const signedBytes = (report: string): Uint8Array => new TextEncoder().encode(`hayloft/1 report\n${report}`);

/** Signs what a node found, with its id and tier in the report. */
export function signReport(identity: NodeIdentity, found: object): SignedReport {
  const { nodeId: node, tier, publicKey } = identity;
  const report = JSON.stringify({ node, tier, ...found });
  return { report, publicKey: toBase64(publicKey), signature: toBase64(identity.sign(signedBytes(report))) };
}

/**
 * What a signed report says. Throws `request-invalid` for a text that is none, and `report-unproven` when the signature does not hold or the key is
 * not the expected one.
 */
export function checkReport(text: string, expectedKey: Uint8Array | null = null): Readonly<Record<string, unknown>> {
  const { report, publicKey, signature } = parse(text);
  const [key, proof] = [fromBase64(publicKey), fromBase64(signature)];
  const isHers = expectedKey === null || publicKey === toBase64(expectedKey);
  if (!isHers || key === null || proof === null || !verifySignature(key, signedBytes(report), proof))
    throw new HayloftError("report-unproven", { reason: isHers ? "signature" : "another-key" });
  return objectOf(report);
}

function parse(text: string): SignedReport {
  const { report, publicKey, signature } = objectOf(text);
  if (typeof report !== "string" || typeof publicKey !== "string" || typeof signature !== "string")
    throw new HayloftError("request-invalid", { part: "report" });
  return { report, publicKey, signature };
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Said below.
  }
  throw new HayloftError("request-invalid", { part: "report" });
}
