import type { HelloFrame } from "../protocol/frame.ts";

const utf8 = new TextEncoder();

/**
 * The bytes that a side signs: its role, both nonces and both node ids, so that a signature serves one side of one
 * session only.
 */
export function proofBytes(
  role: "parent" | "child",
  of: { readonly childNonce: Uint8Array; readonly parentNonce: Uint8Array; readonly child: string; readonly parent: string },
): Uint8Array {
  const parts = [utf8.encode(`hayloft/1 ${role}`), of.childNonce, of.parentNonce, utf8.encode(of.child), utf8.encode(of.parent)];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** The proof of one session, from its hello and the parent's nonce and node id. */
export const proofOf = (role: "parent" | "child", hello: HelloFrame, parentNonce: Uint8Array, parent: string): Uint8Array =>
  proofBytes(role, { childNonce: hello.nonce, parentNonce, child: hello.node, parent });
