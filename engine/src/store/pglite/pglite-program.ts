import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

let compiled: Promise<WebAssembly.Module> | null = null;

/**
 * PGlite's compiled program, one for all databases of the process. V8 keeps its optimised code with the module, so the second
 * database opens, and runs from its first statement, without compiling 9 MB again.
 */
export async function pgliteProgram(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return await compiled;
}

/** Begins to compile PGlite, so that a database which is opened a little later opens sooner. */
export function preparePglite(): void {
  // Whoever opens a database is told.
  pgliteProgram().catch(() => undefined);
}

async function compile(): Promise<WebAssembly.Module> {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite");
  return await WebAssembly.compile(await readFile(path.join(path.dirname(entry), "pglite.wasm")));
}
