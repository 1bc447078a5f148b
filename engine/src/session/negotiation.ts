import type { ErrorCode } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";
import type { HelloFrame, WelcomeFrame } from "../protocol/frame.ts";
import type { LocalSide } from "./local-side.ts";
import { nonceBytes, protocolVersion } from "./local-side.ts";

export interface Refusal {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

/** Why a parent cannot talk to the child that sent `hello`, or null. Asks nothing that depends on who the child is. */
export function refusalOfHello(local: LocalSide, hello: HelloFrame): Refusal | null {
  if (!hello.protocols.includes(protocolVersion)) {
    return { code: "protocol-version", details: { ours: protocolVersion, theirs: hello.protocols.slice(0, 8).join(",") } };
  }
  if (hello.nonce.length !== nonceBytes) return { code: "frame-invalid", details: { field: "nonce" } };
  if (hello.application !== local.application) {
    return { code: "catalog-version", details: { reason: "another-application", ours: local.application } };
  }
  if (hello.catalogVersion < local.catalogVersionOldest || hello.catalogVersion > local.catalogVersion) {
    return {
      code: "catalog-version",
      details: { ours: local.catalogVersion, oldest: local.catalogVersionOldest, theirs: hello.catalogVersion },
    };
  }
  return sameVersionOtherHash(local, hello);
}

/** Why a child cannot talk to the parent that sent `welcome`, or null. */
export function refusalOfWelcome(local: LocalSide, parentNode: string, welcome: WelcomeFrame): Refusal | null {
  if (welcome.protocol !== protocolVersion) {
    return { code: "protocol-version", details: { ours: protocolVersion, theirs: welcome.protocol } };
  }
  if (welcome.nonce.length !== nonceBytes) return { code: "frame-invalid", details: { field: "nonce" } };
  if (welcome.node !== parentNode) return { code: "auth-failed", details: { reason: "another-parent", expected: parentNode } };
  // The parent decides whether it can bridge an older child; a child never talks to a parent that is older than itself.
  if (welcome.catalogVersion < local.catalogVersion) {
    return { code: "catalog-version", details: { ours: local.catalogVersion, theirs: welcome.catalogVersion } };
  }
  return sameVersionOtherHash(local, welcome);
}

function sameVersionOtherHash(local: LocalSide, peer: { catalogVersion: number; catalogHash: Uint8Array }): Refusal | null {
  if (peer.catalogVersion !== local.catalogVersion || equalBytes(peer.catalogHash, local.catalogHash)) return null;
  return { code: "catalog-version", details: { reason: "same-version-other-content", version: local.catalogVersion } };
}

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
