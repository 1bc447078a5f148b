/** The same memory as a plain `Uint8Array`: Node gives a Buffer in many places, which is not deeply equal to one. */
export const plainBytes = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
