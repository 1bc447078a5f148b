import * as crypto from "node:crypto";
import { plainBytes } from "./plain-bytes.ts";

/** SHA-256 of bytes, or of the UTF-8 form of a text. A browser supplies its own. */
export type Sha256 = (input: string | Uint8Array) => Uint8Array;

/** Node's implementation. The one-shot function exists from Node 20.12 on and costs half as much for short inputs. */
export const sha256: Sha256 =
  typeof crypto.hash === "function"
    ? (input) => plainBytes(crypto.hash("sha256", input, "buffer"))
    : (input) => plainBytes(crypto.createHash("sha256").update(input).digest());
