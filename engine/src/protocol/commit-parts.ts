import { sameBytes } from "../commit/commit-hash.ts";
import { sha256 } from "../commit/sha256.ts";
import { HayloftError, isHayloftError } from "../error/hayloft-error.ts";
import type { LogSlice } from "../replica/replica-storage.ts";
import type { PartFrame } from "./frame.ts";
import { decodeFrame, encodeFrame } from "./frame-codec.ts";
import { invalid, tooLarge } from "./invalid.ts";
import type { ProtocolLimits } from "./limits.ts";
import { defaultLimits } from "./limits.ts";

/** What a part's own fields take of a frame, generously. */
const PART_HEAD_BYTES = 1_024;

/** The limits of a `commits` frame that is never sent as one, but in parts. */
const limitsOfWhole = (limits: ProtocolLimits): ProtocolLimits => ({
  ...limits,
  frameBytesMax: limits.commitBytesMax,
  bodyBytesMax: limits.commitBodyBytesMax,
  frameRowsMax: limits.commitRowsMax,
  frameCellsMax: limits.commitCellsMax,
  frameCharactersMax: limits.commitCharactersMax,
  frameCommitsMax: 1,
});

/**
 * The messages that carry `slice`, in order: one `commits` frame when it fits; else several, of which only the last moves
 * the position to `upTo` (the others keep `after`, and the commits in them are known as duplicates when they come again);
 * a commit too large for any frame as `part` frames. Throws `frame-too-large` when a commit is above `commitBytesMax`
 * or another limit of commits.
 */
export function encodeSlice(slice: LogSlice, limits: ProtocolLimits = defaultLimits): readonly Uint8Array[] {
  try {
    return [encodeFrame({ type: "commits", slice }, limits)];
  } catch (error) {
    if (!isHayloftError(error, "frame-too-large") || slice.commits.length === 0) throw error;
  }
  if (slice.commits.length === 1) return splitCommit(slice, limits).map((part) => encodeFrame(part, limits));
  const half = slice.commits.length >> 1;
  return [
    ...encodeSlice({ ...slice, upTo: slice.after, commits: slice.commits.slice(0, half) }, limits),
    ...encodeSlice({ ...slice, commits: slice.commits.slice(half) }, limits),
  ];
}

/**
 * Cuts a slice with one commit into parts, each of which fits a frame. Throws `frame-too-large` when the commit is above
 * the limits of commits.
 */
export function splitCommit(slice: LogSlice, limits: ProtocolLimits = defaultLimits): readonly PartFrame[] {
  if (slice.commits.length !== 1) throw invalid("slice.commits", "one commit");
  const whole = encodeFrame({ type: "commits", slice }, limitsOfWhole(limits));
  const partBytesMax = limits.frameBytesMax - PART_HEAD_BYTES;
  const count = Math.ceil(whole.length / partBytesMax);
  if (count > limits.commitPartsMax) throw tooLarge("commitPartsMax", limits.commitPartsMax);
  const { tenant, incarnation, upTo: position } = slice;
  return Array.from({ length: count }, (_, index): PartFrame => {
    const last = index === count - 1;
    const bytes = whole.subarray(index * partBytesMax, (index + 1) * partBytesMax);
    return { type: "part", tenant, incarnation, position, index, last, bytes, digest: last ? sha256(whole) : null };
  });
}

/**
 * The slice that `parts` are of. Throws `sequence-gap` when one is missing, twice or of another commit, `content-hash`
 * when the whole is not what its sender cut, `frame-invalid` or `frame-too-large` when it is no slice with one commit.
 */
export function joinParts(parts: readonly PartFrame[], limits: ProtocolLimits = defaultLimits): LogSlice {
  const assembler = new PartAssembler(limits);
  for (const [index, part] of parts.entries()) {
    const slice = assembler.add(part);
    if (slice !== null && index === parts.length - 1) return slice;
  }
  throw new HayloftError("sequence-gap", { reason: "parts", parts: parts.length });
}

/** Puts parts together again, of one commit at a time, in order. Never holds more than `commitBytesMax`. */
export class PartAssembler {
  readonly #limits: ProtocolLimits;
  #parts: PartFrame[] = [];
  #bytes = 0;

  constructor(limits: ProtocolLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** Bytes held at the moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets what is held: after a reject, and when the session ends. */
  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }

  /**
   * Takes the next part; returns the slice after the last. Part 0 begins anew. When it throws (errors as `joinParts`),
   * nothing is held any more.
   */
  add(part: PartFrame): LogSlice | null {
    try {
      this.#take(part);
      return part.last ? this.#join(part) : null;
    } catch (error) {
      this.clear();
      throw error;
    }
  }

  #take(part: PartFrame): void {
    if (part.index === 0) this.clear();
    const [first] = this.#parts;
    const fits =
      first === undefined ||
      (first.tenant === part.tenant && first.incarnation === part.incarnation && first.position === part.position);
    if (!fits || part.index !== this.#parts.length) {
      throw new HayloftError("sequence-gap", { reason: "parts", expected: this.#parts.length, index: part.index });
    }
    if (part.index >= this.#limits.commitPartsMax) throw tooLarge("commitPartsMax", this.#limits.commitPartsMax);
    if (this.#bytes + part.bytes.length > this.#limits.commitBytesMax)
      throw tooLarge("commitBytesMax", this.#limits.commitBytesMax);
    this.#parts.push(part);
    this.#bytes += part.bytes.length;
  }

  #join(last: PartFrame): LogSlice {
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const { bytes } of this.#parts) {
      whole.set(bytes, at);
      at += bytes.length;
    }
    this.clear();
    if (last.digest === null || !sameBytes(last.digest, sha256(whole))) {
      throw new HayloftError("content-hash", { reason: "parts", position: last.position });
    }
    const frame = decodeFrame(whole, limitsOfWhole(this.#limits));
    if (frame.type !== "commits" || frame.slice.commits.length !== 1) throw invalid("part", "parts of a slice with one commit");
    const { slice } = frame;
    if (slice.tenant !== last.tenant || slice.incarnation !== last.incarnation || slice.upTo !== last.position) {
      throw invalid("part", "parts of the slice that they name");
    }
    return slice;
  }
}
