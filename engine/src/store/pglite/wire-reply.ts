import { HayloftError } from "../../error/hayloft-error.ts";
import type { SqlFailure } from "../sql-error.ts";
import type { TextReader } from "../value/value-text.ts";
import { readerOf } from "../value/value-text.ts";
import type { TextSlice } from "./text-slice.ts";
import { textSliceOf } from "./text-slice.ts";

export interface WireReply {
  /** The rows of the last statement that returned any. */
  readonly rows: Record<string, unknown>[];
  /** One entry for each finished statement. */
  readonly results: readonly { readonly command: string; readonly affected: number }[];
  /** I: no transaction, T: in a transaction, E: in a failed transaction. */
  readonly status: string;
  readonly error: SqlFailure | null;
}

interface Field {
  readonly name: string;
  readonly read: TextReader;
}

/** Message types of Postgres' protocol, version 3. */
const dataRowType = 0x44;
const rowDescriptionType = 0x54;
const commandCompleteType = 0x43;
const readyForQueryType = 0x5a;
const errorResponseType = 0x45;

/** Reads everything that Postgres answered to one request. Throws `store-failed` when the answer is not whole. */
export function readReply(bytes: Uint8Array): WireReply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = textSliceOf(bytes);
  let fields: readonly Field[] = [];
  let rows: Record<string, unknown>[] = [];
  const results: { command: string; affected: number }[] = [];
  let status = "";
  let error: SqlFailure | null = null;
  let at = 0;
  while (at + 5 <= bytes.length) {
    const type = bytes[at];
    const start = at + 5;
    at += 1 + view.getInt32(at + 1);
    if (type === dataRowType) rows.push(dataRow(view, text, start, fields));
    else if (type === rowDescriptionType) {
      fields = rowDescription(view, bytes, text, start);
      rows = [];
    } else if (type === commandCompleteType) results.push(commandOf(text(start, at - 1)));
    else if (type === readyForQueryType) status = text(start, at);
    else if (type === errorResponseType) error ??= failureOf(bytes, text, start, at);
  }
  if (at !== bytes.length || status === "") throw new HayloftError("store-failed", { reason: "incomplete answer" });
  return { rows, results, status, error };
}

/** The first word of a command tag such as `INSERT 0 3`, and the rows it changed. */
function commandOf(tag: string): { command: string; affected: number } {
  const words = tag.split(" ");
  const command = words[0] ?? "";
  const counted = command === "INSERT" || command === "UPDATE" || command === "DELETE" || command === "MERGE";
  return { command, affected: counted ? Number(words.at(-1)) : 0 };
}

function rowDescription(view: DataView, bytes: Uint8Array, text: TextSlice, start: number): Field[] {
  const count = view.getUint16(start);
  const fields: Field[] = [];
  let at = start + 2;
  for (let index = 0; index < count; index += 1) {
    const nameEnd = bytes.indexOf(0, at);
    fields.push({ name: text(at, nameEnd), read: readerOf(view.getUint32(nameEnd + 7)) });
    at = nameEnd + 19;
  }
  return fields;
}

function dataRow(view: DataView, text: TextSlice, start: number, fields: readonly Field[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  let at = start + 2;
  for (const field of fields) {
    const length = view.getInt32(at);
    at += 4;
    if (length < 0) row[field.name] = null;
    else {
      row[field.name] = field.read(text(at, at + length));
      at += length;
    }
  }
  return row;
}

function failureOf(bytes: Uint8Array, text: TextSlice, start: number, end: number): SqlFailure {
  const found = new Map<string, string>();
  let at = start;
  while (at < end && bytes[at] !== 0) {
    const stop = bytes.indexOf(0, at);
    found.set(text(at, at + 1), text(at + 1, stop));
    at = stop + 1;
  }
  return {
    sqlstate: found.get("C") ?? "XX000",
    message: found.get("M") ?? "",
    table: found.get("t"),
    column: found.get("c"),
    constraint: found.get("n"),
    detail: found.get("D"),
  };
}
