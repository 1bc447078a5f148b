import type { WireParameter } from "../value/parameter-text.ts";

/**
 * The bytes of one statement in the extended protocol: Parse, Bind, Describe, Execute, Sync. Everything travels in one
 * call, because each crossing into the worker costs more than most statements.
 */
export function statementRequest(sql: string, parameters: readonly WireParameter[]): Uint8Array<ArrayBuffer> {
  const parse = message("P", [cstring(""), cstring(sql), int16(0)]);
  const binds: Uint8Array[] = [cstring(""), cstring(""), int16(parameters.length)];
  for (const value of parameters) binds.push(int16(value instanceof Uint8Array ? 1 : 0));
  binds.push(int16(parameters.length));
  for (const value of parameters) {
    if (value === null) binds.push(int32(-1));
    else {
      const bytes = typeof value === "string" ? encoder.encode(value) : value;
      binds.push(int32(bytes.length), bytes);
    }
  }
  binds.push(int16(0));
  return joinBytes([
    ...parse,
    ...message("B", binds),
    ...message("D", [cstring("P")]),
    ...message("E", [cstring(""), int32(0)]),
    ...message("S", []),
  ]);
}

/** The bytes of a script in the simple protocol. */
export function scriptRequest(sql: string): Uint8Array<ArrayBuffer> {
  return joinBytes(message("Q", [cstring(sql)]));
}

const encoder = new TextEncoder();

function cstring(text: string): Uint8Array {
  return encoder.encode(`${text}\0`);
}

function int16(value: number): Uint8Array {
  return new Uint8Array([value >>> 8, value & 255]);
}

function int32(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
}

function message(type: string, parts: readonly Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return [new Uint8Array([type.charCodeAt(0)]), int32(length), ...parts];
}

/** All parts in one array, which the receiver may take over. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
