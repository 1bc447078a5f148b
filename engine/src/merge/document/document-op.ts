import { type Json, itemsOf, membersOf } from "../memory/memory.ts";
import type { Tree } from "./draft.ts";
import { formatTree, parseTree } from "./json-tree.ts";
import type { JsonPatch } from "./place-json.ts";

/**
 * The operation on a text, as capture writes it: at the `at`-th character (from 0; Unicode code points) `cut` was replaced by `put`.
 * `before` and `after` are what stood around it. `none`: the column is null now.
 */
export interface TextOp {
  readonly at: number;
  readonly before: string;
  readonly cut: string;
  readonly put: string;
  readonly after: string;
  readonly none: boolean;
}

/** Characters of `before` and `after` at most; capture writes 32. */
const CONTEXT_MAX = 64;
const CHARACTERS_MAX = 2 ** 31 - 1;
/** Values changed by one operation on a JSON document, and object keys above one. */
const PATCHES_MAX = 10_000;
const PATH_MAX = 64;

export function textOp(op: Json): TextOp {
  const { at, before, cut, put, after, none } = membersOf(op);
  const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");
  return { at: Number(at ?? 0), before: text(before), cut: text(cut), put: text(put), after: text(after), none: none === true };
}

/** The operation of a first text. */
export const wholeTextOp = (value: string | null): Json =>
  value === null ? { at: 0, put: "", none: true } : { at: 0, put: value };

/** The operation of a first JSON value. */
export const wholeJsonOp = (value: string | null): Json => (value === null ? [] : [{ path: [], put: value }]);

/** Neither NUL nor half a character: no database has such a text, and places in it would be counted differently. */
const isPlain = (text: string): boolean => !text.includes("\0") && !/\p{Surrogate}/u.test(text);

/** Why a peer's operation is none on a text of so many bytes, or null. */
export function textOpFault(op: Json, bytesMax: number): string | null {
  const { at, before = "", cut = "", put = "", after = "", none = true, ...rest } = membersOf(op);
  if (Object.keys(rest).length > 0) return "a text's operation has unknown members";
  if (!Number.isInteger(at) || Number(at) < 0 || Number(at) > CHARACTERS_MAX) return "a text's operation has no place";
  const lengths = [before, cut, put, after].map((text) => (typeof text === "string" && isPlain(text) ? text.length : -1));
  const [beforeLength = -1, cutLength = -1, putLength = -1, afterLength = -1] = lengths;
  if (lengths.some((length) => length < 0)) return "a text's operation holds what is no text";
  if (none !== true) return "a text's operation is null or it is not";
  if (putLength > bytesMax) return "a text's operation puts in more than the column takes";
  // What stood there can be more than the limit: two writers may each have filled it.
  if (cutLength > 8 * bytesMax) return "a text's operation takes out more than there can be";
  if (Math.max(beforeLength, afterLength) > CONTEXT_MAX) return "a text's operation shows too much";
  return null;
}

/** The operation of a JSON document is a list of the values that changed, each with its path of object keys. */
export const jsonPatches = (op: Json): readonly JsonPatch[] =>
  itemsOf(op).map((item) => {
    const { path, cut, put } = membersOf(item);
    return { path: itemsOf(path).map(String), before: treeOf(cut), after: treeOf(put) };
  });

const treeOf = (text: Json | undefined): Tree | undefined => (typeof text === "string" ? parseTree(text) : undefined);

/** Why a peer's operation is none on a JSON document of so many bytes, or null. */
export function jsonOpFault(op: Json, bytesMax: number): string | null {
  if (!Array.isArray(op)) return "a JSON document's operation is no list";
  const items = itemsOf(op);
  if (items.length > PATCHES_MAX) return "a JSON document's operation changes too many values";
  let characters = 0;
  for (const item of items) {
    const { path, cut, put, ...rest } = membersOf(item);
    if (Object.keys(rest).length > 0) return "a JSON document's operation has unknown members";
    const keys = itemsOf(path);
    if (!Array.isArray(path) || keys.length > PATH_MAX) return "a JSON document's operation has no path";
    if (!keys.every((key) => typeof key === "string" && isPlain(key))) return "a JSON document's path is not of keys";
    characters += typeof put === "string" ? put.length : 0;
    if (!isJsonText(cut, 8 * bytesMax) || !isJsonText(put, bytesMax)) return "a JSON document's operation holds what is no JSON";
  }
  return characters > bytesMax ? "a JSON document's operation puts in more than the column takes" : null;
}

function isJsonText(text: Json | undefined, charactersMax: number): boolean {
  if (text === undefined) return true;
  if (typeof text !== "string" || text.length > charactersMax || !isPlain(text)) return false;
  try {
    const tree = parseTree(text);
    // What is read is written again, and either may find it nested too deep.
    return formatTree(tree) !== "" && textsOf(tree).every(isPlain);
  } catch {
    return false;
  }
}

function textsOf(tree: Tree): readonly string[] {
  if (typeof tree === "string") return [tree];
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([key, item]: [string, Tree]) => [key, ...textsOf(item)]);
}
