import { compareText } from "../compare-values.ts";
import { isList, isMap, type Tree, type TreeMap } from "./draft.ts";

/** Marks a string that stands for something else: a number that JavaScript would change, or a value nested too deep. */
const TAG = "\u0001";
/** Before every object key, so that no key is empty or has a meaning of its own in JavaScript. */
const KEY = "k";
/** Below this many levels a value is one piece, and the later write wins. */
const TREE_DEPTH_MAX = 32;

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** JSON has no leading zeros; Postgres has none either, and refuses such a text. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Reads JSON text without changing any number in it. Throws a SyntaxError for anything else. */
export function parseTree(text: string): Tree {
  return toTree(JSON.parse(text.replaceAll(TOKEN, tagToken)) as unknown, 0);
}

function tagToken(token: string): string {
  if (token.startsWith('"'))
    return token.startsWith(TAG, 1) || token.startsWith("\\u0001", 1) ? `"\\u0001${token.slice(1)}` : token;
  // What is no number stays as it is, for JSON.parse to refuse.
  return String(Number(token)) === token || !NUMBER.test(token) ? token : `"\\u0001${token}"`;
}

function toTree(value: unknown, depth: number): Tree {
  if (typeof value !== "object" || value === null) return value as Tree;
  if (depth >= TREE_DEPTH_MAX) return TAG + formatTree(toTree(value, Number.MIN_SAFE_INTEGER));
  if (Array.isArray(value)) return value.map((item) => toTree(item, depth + 1));
  const map: TreeMap = {};
  for (const [name, item] of Object.entries(value))
    map[KEY + (name.startsWith(TAG) ? name.slice(1) : name)] = toTree(item, depth + 1);
  return map;
}

/** The object key of a tree for a key of the JSON. */
export const treeKey = (name: string): string => KEY + name;

/** The text that Postgres has for the value as `jsonb`. Equal values have equal texts. */
export function formatTree(tree: Tree): string {
  if (typeof tree === "string") return formatText(tree);
  if (isList(tree)) return `[${tree.map(formatTree).join(", ")}]`;
  if (!isMap(tree)) return JSON.stringify(tree);
  const keys = Object.keys(tree)
    .map((key) => key.slice(KEY.length))
    .sort(compareKeys);
  return `{${keys.map((key) => `${JSON.stringify(key)}: ${formatTree(tree[KEY + key] ?? null)}`).join(", ")}}`;
}

function formatText(text: string): string {
  if (!text.startsWith(TAG)) return JSON.stringify(text);
  const rest = text.slice(TAG.length);
  if (NUMBER.test(rest) || isJson(rest)) return rest;
  return JSON.stringify(rest.startsWith(TAG) ? rest : text);
}

function isJson(text: string): boolean {
  if (!text.startsWith("{") && !text.startsWith("[")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const utf8 = new TextEncoder();

/** `jsonb` orders keys by their length in bytes, then by their bytes. */
const compareKeys = (left: string, right: string): number =>
  utf8.encode(left).length - utf8.encode(right).length || compareText(left, right);

export const equalTrees = (left: Tree, right: Tree): boolean => left === right || formatTree(left) === formatTree(right);
