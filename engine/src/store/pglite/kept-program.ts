import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { cacheFile } from "./installed-pglite.ts";
import { programOf } from "./program-code.ts";

const HASH_BYTES = 32;

/** PGlite's program with the code that was kept for this Node; null when there is none that fits. */
export function keptProgram(source: Uint8Array): WebAssembly.Module | null {
  try {
    return programIn(readFileSync(keptFile(source)), source);
  } catch {
    // Nothing was kept, or this Node has no such function: V8 compiles, as ever.
    return null;
  }
}

/** The program in a file that `wrapCode` made; null when the file is not whole or V8 does not take it. */
export function programIn(file: Uint8Array, source: Uint8Array): WebAssembly.Module | null {
  const code = file.subarray(HASH_BYTES);
  if (!sha256(code).equals(file.subarray(0, HASH_BYTES))) return null;
  return programOf(source, code);
}

/** Code and its hash: V8 does not notice a damaged byte. */
export const wrapCode = (code: Uint8Array): Uint8Array => Buffer.concat([sha256(code), code]);

/**
 * Where code for `source` lies. The name says for which Node it is: code holds addresses of V8's own parts, so that another build
 * of the very same version is another Node.
 */
export function keptFile(source: Uint8Array): string {
  const { size, mtimeMs } = statSync(process.execPath);
  const node = JSON.stringify([process.versions, process.arch, process.platform, process.config, size, mtimeMs]);
  const name = createHash("sha256").update(source).update(node).digest("hex").slice(0, 32);
  return cacheFile(`pglite-${name}.code`);
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
