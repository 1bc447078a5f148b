import { HayloftError } from "../error/hayloft-error.ts";

/** A `frame-invalid` that names the place and what was expected there, never what was found. */
export const invalid = (path: string, expected: string): HayloftError => new HayloftError("frame-invalid", { path, expected });

/** A `frame-too-large` that names the limit. */
export const tooLarge = (limit: string, max: number): HayloftError => new HayloftError("frame-too-large", { limit, max });
