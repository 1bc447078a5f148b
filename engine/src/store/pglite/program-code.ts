import { setFlagsFromString } from "node:v8";
import { compileFunction } from "node:vm";

/**
 * V8 can write down what it has optimised of a WebAssembly module and take it in again. A browser does so for the pages it knows; Node
 * offers it to nobody, but V8 has a name for each of the two functions. Their form is V8's affair, so whoever relies on them
 * proves them first, with this very Node, in a process that may end: see `keepProgram`.
 */
function internal(name: string, parameters: readonly string[]): (...values: readonly unknown[]) => unknown {
  setFlagsFromString("--allow-natives-syntax");
  try {
    return compileFunction(`return %${name}(${parameters.join(", ")})`, parameters) as (...values: readonly unknown[]) => unknown;
  } finally {
    // V8 takes in only what was written under the same flags.
    setFlagsFromString("--no-allow-natives-syntax");
  }
}

/** What V8 has optimised of a program so far. Ends the process when that is nothing. */
export function codeOf(program: WebAssembly.Module): Uint8Array<ArrayBuffer> {
  return new Uint8Array(internal("SerializeWasmModule", ["program"])(program) as ArrayBuffer);
}

/**
 * The program of `source`, with the code that `codeOf` gave. Null when V8 does not take it: another version made it, it is for another
 * processor or for other flags. V8 does not check that the code belongs to the source, nor that it is whole.
 */
export function programOf(source: Uint8Array, code: Uint8Array): WebAssembly.Module | null {
  const read = internal("DeserializeWasmModule", ["code", "source"])(new Uint8Array(code).buffer, source);
  return read instanceof WebAssembly.Module ? read : null;
}
