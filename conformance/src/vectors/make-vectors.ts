import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { changeBody, changeDigest, encodeFrame } from "@hayloft/engine";
import { readFrame } from "./frame-reader.ts";
import { columnPage, sampleColumns, sampleCommits, sampleFrames, sampleParts, sampleRows, uuid } from "./sample-frames.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Bytes as `{"$hex"}`, integers outside the safe range as `{"$integer"}`, everything else as JSON has it. */
export function asJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $hex: hex(value) };
  if (typeof value === "bigint") return { $integer: String(value) };
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asJson(item)]));
}

export interface FrameVector {
  readonly name: string;
  readonly bytes: string;
  /** The frame's CBOR map; a body stands in it inflated. */
  readonly fields: unknown;
  readonly body: string | null;
  readonly content: unknown;
}

export const frameVectors = (): readonly FrameVector[] =>
  Object.entries(sampleFrames).map(([name, frame]) => {
    const bytes = encodeFrame(frame);
    const { fields, body, content } = readFrame(bytes);
    return { name, bytes: hex(bytes), fields: asJson(fields), body: body === null ? null : hex(body), content: asJson(content) };
  });

export interface ColumnVector {
  readonly name: string;
  readonly values: readonly (string | null)[];
  readonly bytes: string;
}

/** The column's own bytes: a page's body without what stands around them when it holds the one column `c` of table `t`. */
export function columnBytes(body: Uint8Array, rowCount: number): Uint8Array {
  // block count, "t", op, row count, column count, "c"; then the column; then change count, block number, row count, no stamps.
  const before = 1 + 2 + 1 + 1 + 1 + 2;
  const after = 1 + 1 + 1 + 1;
  if (rowCount > 127) throw new Error("a vector's row count takes one byte");
  return body.subarray(before, body.length - after);
}

export const columnVectors = (): readonly ColumnVector[] =>
  Object.entries(sampleColumns).map(([name, values]) => {
    const { body } = readFrame(encodeFrame(columnPage(values)));
    return { name, values, bytes: hex(columnBytes(body ?? new Uint8Array(0), values.length)) };
  });

export const hashVectors = (): unknown => ({
  changes: sampleCommits.flatMap((commit) =>
    commit.changes.map((change) => ({
      table: change.table,
      op: change.op,
      columns: change.columns,
      body: changeBody(change),
      digest: hex(changeDigest(change)),
    })),
  ),
  commits: sampleCommits.map((commit) => ({
    tenant: commit.tenant,
    origin: commit.origin,
    seq: commit.seq,
    stamp: String(commit.stamp),
    node: commit.node,
    author: commit.author,
    catalogVersion: commit.catalogVersion,
    previousHash: hex(commit.previousHash),
    digests: commit.changes.map((change) => hex(changeDigest(change))),
    hash: hex(commit.hash),
  })),
  parts: sampleParts.map(({ previous, digests, digest }) => ({
    previous: hex(previous),
    digests: digests.map(hex),
    digest: hex(digest),
  })),
  rows: sampleRows.map((values) => {
    const text = values.map((value) => value?.replaceAll("\u001F", "\u001F\u001F") ?? "\u001F0").join("\u001F\u001E");
    return { values, text, digest: createHash("md5").update(text).digest("hex") };
  }),
});

/** PKCS #8 and SPKI of Ed25519 are the raw keys behind fixed heads. */
const PRIVATE_HEAD = "302e020100300506032b657004220420";
const PUBLIC_HEAD_BYTES = 12;

export function proofVectors(): unknown {
  const childNonce = createHash("sha256").update("child nonce").digest();
  const parentNonce = createHash("sha256").update("parent nonce").digest();
  return (["parent", "child"] as const).map((role) => {
    const seed = createHash("sha256").update(`${role} key`).digest();
    const key = createPrivateKey({ key: Buffer.from(PRIVATE_HEAD + hex(seed), "hex"), format: "der", type: "pkcs8" });
    const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(PUBLIC_HEAD_BYTES);
    const signed = Buffer.concat([
      Buffer.from(`hayloft/1 ${role}`),
      childNonce,
      parentNonce,
      Buffer.from(uuid(8)),
      Buffer.from(uuid(7)),
    ]);
    return {
      role,
      privateKey: hex(seed),
      publicKey: hex(publicKey),
      childNonce: hex(childNonce),
      parentNonce: hex(parentNonce),
      child: uuid(8),
      parent: uuid(7),
      signed: hex(signed),
      signature: hex(sign(null, signed, key)),
    };
  });
}

/** A frame around raw CBOR, with a right check. */
const sealed = (item: readonly number[]): string => {
  const bytes = Buffer.from(item);
  return hex(Buffer.concat([bytes, createHash("sha256").update(bytes).digest().subarray(0, 8)]));
};
const ascii = (text: string): number[] => [0x60 + text.length, ...Buffer.from(text)];

export function refusedVectors(): readonly { readonly name: string; readonly bytes: string }[] {
  const ping = hex(encodeFrame({ type: "ping", nowMs: 1 }));
  const type = ascii("type");
  const frames: Readonly<Record<string, string>> = {
    nothing: "",
    "a frame that is cut": ping.slice(0, -2),
    "a frame with a flipped bit": `a3${ping.slice(2)}`,
    "a frame with bytes behind it": `${ping}00`,
    "no map": sealed([0x01]),
    "an indefinite map": sealed([0xbf, ...type, ...ascii("ping"), 0xff]),
    "an indefinite array": sealed([0xa1, ...type, 0x9f, 0xff]),
    "a tag": sealed([0xa1, ...type, 0xc0, ...ascii("ping")]),
    undefined: sealed([0xa1, ...type, 0xf7]),
    "a simple value": sealed([0xa1, ...type, 0xf8, 0x20]),
    "a key twice": sealed([0xa2, ...type, ...ascii("ping"), ...type, ...ascii("ping")]),
    "a key that is no text": sealed([0xa1, 0x01, 0x01]),
    "an integer not in shortest form": sealed([0xa2, ...type, ...ascii("ping"), ...ascii("nowMs"), 0x18, 0x01]),
    "text that is not UTF-8": sealed([0xa1, ...type, 0x62, 0xc3, 0x28]),
    "nine levels": sealed([0xa1, ...type, ...Array.from({ length: 9 }, () => 0x81), 0x01]),
    "a length beyond the frame": sealed([0xa1, ...type, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]),
  };
  return Object.entries(frames).map(([name, bytes]) => ({ name, bytes }));
}
