import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { HayloftError } from "../error/hayloft-error.ts";
import { identityFromRecord, type KeyIdentity } from "./node-identity.ts";

/** Reads an identity file. Throws `identity-invalid` when it is missing, damaged or not JSON. */
export function loadIdentity(file: string): KeyIdentity {
  let record: unknown;
  try {
    record = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    // A syntax error may quote the file's text, and that holds the key; only a system error's code is passed on.
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "not-json";
    throw new HayloftError("identity-invalid", { file, reason: code });
  }
  return identityFromRecord(record);
}

/** Writes an identity file, readable by its owner only. It is whole and durable when the call returns, or the old one stays. */
export function saveIdentity(file: string, identity: KeyIdentity): void {
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(identity.toRecord(), null, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  // The mode of `openSync` counts for new files only.
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
  const directory = openSync(dirname(file), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
