import { plainBytes } from "../commit/plain-bytes.ts";
import { sha256 } from "../commit/sha256.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import type { WireValue } from "./cbor.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import type { Frame } from "./frame.ts";
import { frameSchema } from "./frame-schema.ts";
import { invalid, tooLarge } from "./invalid.ts";
import type { ProtocolLimits } from "./limits.ts";
import { FRAME_DEPTH_MAX, defaultLimits } from "./limits.ts";
import type { WireType } from "./wire-type.ts";
import { asMap } from "./wire-type.ts";

/** Bytes at the end of each frame: the first of the SHA-256 of all bytes before them. */
export const CHECK_BYTES = 8;

const isFrameType = (type: WireValue | undefined): type is Frame["type"] =>
  typeof type === "string" && Object.hasOwn(frameSchema, type);

/** The frame's type as the schema sees it: what ties a frame to its own entry is checked where the table is declared. */
const schemaOf = (type: Frame["type"]): WireType<object> => frameSchema[type] as WireType<object>;

/**
 * The frame's bytes. Throws `frame-too-large` when they are more than `limits.frameBytesMax` (or a list in it is above its
 * limit), `frame-invalid` when a field does not have the form that the protocol gives it.
 */
export function encodeFrame(frame: Frame, limits: ProtocolLimits = defaultLimits): Uint8Array {
  const map = asMap(schemaOf(frame.type).toWire(frame, "", limits), "");
  const item = encodeCbor({ type: frame.type, ...map });
  const size = item.length + CHECK_BYTES;
  if (size > limits.frameBytesMax) throw tooLarge("frameBytesMax", limits.frameBytesMax);
  const bytes = new Uint8Array(size);
  bytes.set(item, 0);
  bytes.set(sha256(item).subarray(0, CHECK_BYTES), item.length);
  return bytes;
}

/**
 * The frame that `bytes` hold; equal to the one that was encoded. Throws `frame-too-large` or `frame-invalid` and nothing
 * else, whatever the bytes are; time and memory are bounded by `limits`. The details name a field and what is expected in it.
 */
export function decodeFrame(bytes: Uint8Array, limits: ProtocolLimits = defaultLimits): Frame {
  if (bytes.length > limits.frameBytesMax) throw tooLarge("frameBytesMax", limits.frameBytesMax);
  const end = bytes.length - CHECK_BYTES;
  if (end < 1) throw invalid("", "a CBOR map and its check");
  const item = plainBytes(bytes).subarray(0, end);
  const check = sha256(item);
  for (let index = 0; index < CHECK_BYTES; index += 1) {
    if (bytes[end + index] !== check[index]) throw invalid("", "a frame that matches its check");
  }
  const value = decodeCbor(item, FRAME_DEPTH_MAX);
  const map = asMap(value, "");
  const type = Object.hasOwn(map, "type") ? map["type"] : undefined;
  if (!isFrameType(type)) throw invalid("type", "a known frame type");
  try {
    return { type, ...schemaOf(type).fromWire(map, "", limits) } as Frame;
  } catch (error) {
    if (error instanceof HayloftError && error.details["frame"] === undefined) {
      throw new HayloftError(error.code, { frame: type, ...error.details });
    }
    throw error;
  }
}
