import { readFileSync, writeFileSync } from "node:fs";
import { HayloftError } from "../../error/hayloft-error.ts";
import { programFile, putWhole } from "./installed-pglite.ts";
import { keptFile, keptProgram, programIn, wrapCode } from "./kept-program.ts";
import { pgliteProgram, useProgram } from "./pglite-program.ts";
import { codeOf } from "./program-code.ts";

/** The file of the code that databases of processes like this one open with, or null when none was kept. */
export function keptProgramFile(): string | null {
  const program = readFileSync(programFile());
  return keptProgram(program) === null ? null : keptFile(program);
}

/** Does `work`, which opens databases, and writes what V8 has optimised of PGlite by then into `draft`. */
export async function trainProgram(draft: string, work: () => Promise<void>): Promise<void> {
  useProgram(await WebAssembly.compile(readFileSync(programFile())), false);
  await work();
  writeFileSync(draft, wrapCode(codeOf(await pgliteProgram())));
}

/** Does `work` on the code in `draft`. Throws `store-failed` when V8 does not take it, and ends with the process when V8 does. */
export async function proveProgram(draft: string, work: () => Promise<void>): Promise<void> {
  const program = programIn(readFileSync(draft), readFileSync(programFile()));
  if (program === null) throw new HayloftError("store-failed", { reason: "V8 does not take the code that it gave" });
  useProgram(program, true);
  await work();
}

/**
 * Keeps the code in `draft` for every process of this Node and this installation. To be called only after another process
 * has done `proveProgram` on it. Returns the file where it lies.
 */
export function keepProgram(draft: string): string {
  const file = keptFile(readFileSync(programFile()));
  putWhole(file, readFileSync(draft));
  return file;
}
