import { HayloftError } from "../error/hayloft-error.ts";
import { type NodeIdentity, verifySignature } from "../identity/node-identity.ts";
import type { Cursor } from "../replica/replica-storage.ts";
import type { ImageKind } from "./image-kind.ts";

/** What an image is, as the node that made it says and signs. */
export interface ImageManifest extends ImageKind {
  /** `imageKey` of its kind and grant. */
  readonly key: string;
  /** The node that made it: the parent of whoever takes it. */
  readonly maker: string;
  /** `grantText` of the grant whose rows it holds. */
  readonly granted: string;
  /** How far it has the maker's logs: the tail begins there. */
  readonly cursors: readonly Omit<Cursor, "mark">[];
  readonly madeAtMs: number;
  /** Hex, of the file. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** What it holds when it is unpacked. */
  readonly files: number;
  readonly unpackedBytes: number;
}

/** A manifest as it is kept and sent: the very text that was signed, and the signature in base64url. */
export interface SignedManifest {
  readonly text: string;
  readonly signature: string;
}

export const MANIFEST_BYTES_MAX = 16 * 1024;

const signedBytes = (text: string): Uint8Array => new TextEncoder().encode(`hayloft/1 image\n${text}`);

export function signManifest(identity: Pick<NodeIdentity, "sign">, manifest: ImageManifest): SignedManifest {
  const text = JSON.stringify(manifest);
  return { text, signature: Buffer.from(identity.sign(signedBytes(text))).toString("base64url") };
}

/** The manifest in a signed one, when `maker` signed it. Throws `image-invalid` for anything else. */
export function readManifest(
  signed: SignedManifest,
  maker: { readonly node: string; readonly publicKey: Uint8Array },
): ImageManifest {
  const { text, signature } = signed;
  if (!verifySignature(maker.publicKey, signedBytes(text), new Uint8Array(Buffer.from(signature, "base64url"))))
    throw new HayloftError("image-invalid", { reason: "not signed by the parent" });
  const manifest = parseManifest(text);
  if (manifest.maker !== maker.node) throw new HayloftError("image-invalid", { reason: "made by another node" });
  return manifest;
}

/** Reads the JSON of a signed manifest. Throws `image-invalid`. */
export function parseSigned(body: string): SignedManifest {
  const value = body.length <= MANIFEST_BYTES_MAX ? parseJson(body) : null;
  const { text, signature } = asObject(value);
  if (typeof text !== "string" || typeof signature !== "string" || !/^[\w-]{86}$/u.test(signature))
    throw new HayloftError("image-invalid", { part: "manifest" });
  return { text, signature };
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;
const hashPattern = /^[0-9a-f]{64}$/u;

function parseManifest(text: string): ImageManifest {
  const found = asObject(parseJson(text));
  const cursors: readonly unknown[] = Array.isArray(found["cursors"]) ? found["cursors"] : [];
  if (cursors.length === 0 || cursors.length > 2) throw new HayloftError("image-invalid", { part: "cursors" });
  return {
    key: textOf(found, "key", hashPattern),
    maker: textOf(found, "maker", uuidPattern),
    application: textOf(found, "application", /^.{1,200}$/u),
    catalogVersion: countOf(found, "catalogVersion"),
    schema: textOf(found, "schema", hashPattern),
    store: textOf(found, "store", /^[\w.-]{1,64}$/u),
    granted: textOf(found, "granted", /^.{1,8192}$/su),
    cursors: cursors.map((item) => {
      const cursor = asObject(item);
      return {
        tenant: textOf(cursor, "tenant", /^.{1,256}$/su),
        incarnation: textOf(cursor, "incarnation", uuidPattern),
        position: countOf(cursor, "position"),
      };
    }),
    madeAtMs: countOf(found, "madeAtMs"),
    sha256: textOf(found, "sha256", hashPattern),
    sizeBytes: countOf(found, "sizeBytes"),
    files: countOf(found, "files"),
    unpackedBytes: countOf(found, "unpackedBytes"),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function textOf(fields: Fields, name: string, pattern: RegExp): string {
  const value = fields[name];
  if (typeof value !== "string" || !pattern.test(value)) throw new HayloftError("image-invalid", { part: name });
  return value;
}

function countOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new HayloftError("image-invalid", { part: name });
  return value;
}

const asObject = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
