import { platform } from "#platform";

/** SHA-256 of bytes, or of the UTF-8 form of a text. */
export type Sha256 = (input: string | Uint8Array) => Uint8Array;

export const sha256: Sha256 = (input) => platform.sha256(input);
