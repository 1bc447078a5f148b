/**
 * Follows the framing of MQTT control packets in a byte stream (MQTT 3.1.1, section 2.2) and tells when a packet declares a
 * length above the limit, before anything of it is buffered. Pure.
 */
export class PacketSizeGuard {
  readonly #bytesMax: number;
  /** Bytes of the current packet's body that are still to come. */
  #remaining = 0;
  /** Null: the next byte is a packet type. Else the length that is being read, and the weight of its next digit. */
  #length: { value: number; weight: number } | null = null;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False when the stream must be cut: a packet is too long, or its length is malformed. */
  accepts(chunk: Uint8Array): boolean {
    let index = 0;
    while (index < chunk.length) {
      if (this.#remaining > 0) {
        const step = Math.min(this.#remaining, chunk.length - index);
        this.#remaining -= step;
        index += step;
      } else if (this.#length === null) {
        this.#length = { value: 0, weight: 1 };
        index++;
      } else if (!this.#digit(this.#length, chunk[index++] ?? 0)) {
        return false;
      }
    }
    return true;
  }

  #digit(length: { value: number; weight: number }, byte: number): boolean {
    length.value += (byte & 0x7f) * length.weight;
    length.weight *= 128;
    if (length.value > this.#bytesMax) return false;
    if ((byte & 0x80) !== 0) return length.weight <= 128 ** 3;
    this.#remaining = length.value;
    this.#length = null;
    return true;
  }
}
