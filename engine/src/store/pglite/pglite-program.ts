import { readFile } from "node:fs/promises";
import { programFile } from "./installed-pglite.ts";
import { keptProgram } from "./kept-program.ts";

let compiled: Promise<WebAssembly.Module> | null = null;
let kept = false;

/**
 * PGlite's compiled program, one for all databases of the process. V8 keeps its optimised code with the module, so the second
 * database opens, and runs from its first statement, without compiling 9 MB again; so does the first where code was kept.
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

/** Makes `program` the one of all databases of this process; `isKept`: with code that was kept. */
export function useProgram(program: WebAssembly.Module, isKept: boolean): void {
  compiled = Promise.resolve(program);
  kept = isKept;
}

/** Whether the databases of this process run on code that was kept. */
export const usesKeptCode = (): boolean => kept;

async function compile(): Promise<WebAssembly.Module> {
  const source = await readFile(programFile());
  const program = keptProgram(source);
  kept = program !== null;
  return program ?? (await WebAssembly.compile(source));
}
