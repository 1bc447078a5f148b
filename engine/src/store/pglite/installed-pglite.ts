import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** The directory of PGlite's files. */
const distDir = (): string => path.dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite"));

/** PGlite's program. */
export const programFile = (): string => path.join(distDir(), "pglite.wasm");

/** The installed PGlite. */
export function installedPglite(): string {
  const file = path.join(path.dirname(distDir()), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** `node_modules/.cache/hayloft/<name>` beside the installed PGlite: what can be made again of its files. */
export function cacheFile(name: string): string {
  return path.join(path.dirname(path.dirname(path.dirname(distDir()))), ".cache", "hayloft", name);
}

/** Puts a file in its place in one step. Throws what the file system says. */
export function putWhole(file: string, bytes: Uint8Array): void {
  const draft = `${file}.${process.pid}.${performance.now()}`;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(draft, bytes);
  renameSync(draft, file);
}
