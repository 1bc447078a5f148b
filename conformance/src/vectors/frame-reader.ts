import { createHash } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import { readCommits, readPage, readTruth } from "./body-reader.ts";
import type { Item, ItemMap } from "./cbor-reader.ts";
import { Refused, readItem } from "./cbor-reader.ts";

// A whole frame, read from PROTOCOL.md alone. Imports nothing of the engine.

export interface ReadFrame {
  /** The CBOR map, the body in it replaced by its inflated bytes. */
  readonly fields: ItemMap;
  /** The inflated body, or null when the frame has none. */
  readonly body: Uint8Array | null;
  /** What the body says. */
  readonly content: unknown;
}

const CHECK_BYTES = 8;
const DEPTH_MAX = 8;
const BODY_BYTES_MAX = 8 * 1024 * 1024;

const bodies: Readonly<Record<string, { readonly path: readonly string[]; readonly read: (body: Uint8Array) => unknown }>> = {
  commits: { path: ["slice", "commits"], read: readCommits },
  part: { path: ["slice", "commits"], read: readCommits },
  page: { path: ["chunk", "rows"], read: readPage },
  ack: { path: ["truth"], read: readTruth },
  rows_compared: { path: ["answer", "rows"], read: readTruth },
  repair: { path: ["request", "rows"], read: readTruth },
};

const isMap = (item: Item | undefined): item is ItemMap =>
  typeof item === "object" && item !== null && !Array.isArray(item) && !(item instanceof Uint8Array);

/** Checks and opens a frame. Throws `Refused` when it is not well formed. */
export function readFrame(bytes: Uint8Array): ReadFrame {
  const end = bytes.length - CHECK_BYTES;
  if (end < 1) throw new Refused("too short");
  const check = createHash("sha256").update(bytes.subarray(0, end)).digest().subarray(0, CHECK_BYTES);
  if (!check.equals(bytes.subarray(end))) throw new Refused("check");
  const map = readItem(bytes.subarray(0, end), DEPTH_MAX);
  if (!isMap(map)) throw new Refused("not a map");
  const { type } = map;
  const kind = typeof type === "string" ? bodies[type] : undefined;
  if (kind === undefined) return { fields: map, body: null, content: null };
  const [outer = "", inner] = kind.path;
  const holder = inner === undefined ? map : map[outer];
  const name = inner ?? outer;
  if (!isMap(holder)) throw new Refused("no body");
  const body = inflated(holder[name]);
  const opened = { ...holder, [name]: body };
  return { fields: inner === undefined ? opened : { ...map, [outer]: opened }, body, content: kind.read(body) };
}

function inflated(item: Item | undefined): Uint8Array {
  if (!Array.isArray(item)) throw new Refused("body");
  const [size, bytes]: readonly Item[] = item;
  if (typeof size !== "number" || !(bytes instanceof Uint8Array) || size > BODY_BYTES_MAX || bytes.length > size)
    throw new Refused("body");
  if (bytes.length === size) return bytes;
  const body = inflateRawSync(bytes, { maxOutputLength: size });
  if (body.length !== size) throw new Refused("size");
  return new Uint8Array(body);
}
