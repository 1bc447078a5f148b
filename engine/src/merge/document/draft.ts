import type { SearchBudget } from "./text-search.ts";

/**
 * A JSON value as documents are edited. Object keys carry a prefix and numbers that JavaScript cannot hold are tagged strings
 * (`json-tree.ts`), so that every value of `jsonb` comes back as it was.
 */
export type Tree = string | number | boolean | null | TreeList | TreeMap;
export type TreeList = Tree[];
export interface TreeMap {
  [key: string]: Tree;
}

export type TreePath = readonly (string | number)[];

/** What edits are made on: a plain value, or a proxy of an Automerge document. `top.root` is the value; absent: null in SQL. */
export interface Draft {
  readonly top: TreeMap;
  /** What is left for searches. */
  readonly budget: SearchBudget;
  /** Changes a text inside. Places and lengths in UTF-16 units. */
  readonly splice: (path: TreePath, at: number, cut: number, put: string) => void;
}

/** The key of the value in `Draft.top`. */
export const ROOT = "root";

export const isList = (value: Tree | undefined): value is TreeList => Array.isArray(value);

export const isMap = (value: Tree | undefined): value is TreeMap =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What is at a path below an object, or undefined. */
export function treeAt(top: TreeMap, path: TreePath): Tree | undefined {
  let value: Tree | undefined = top;
  for (const step of path) {
    if (typeof step === "number") value = isList(value) ? value[step] : undefined;
    else value = isMap(value) ? value[step] : undefined;
  }
  return value;
}

/** Puts a value at a path of which all but the last step exists. */
export function setTree(top: TreeMap, path: TreePath, value: Tree): void {
  const parent = treeAt(top, path.slice(0, -1));
  const step = path.at(-1);
  if (typeof step === "number" && isList(parent)) parent[step] = value;
  if (typeof step === "string" && isMap(parent)) parent[step] = value;
}

/** A draft of a plain value. */
export function plainDraft(top: TreeMap, budget: SearchBudget): Draft {
  return {
    top,
    budget,
    splice: (path, at, cut, put) => {
      const text = treeAt(top, path);
      if (typeof text === "string") setTree(top, path, text.slice(0, at) + put + text.slice(at + cut));
    },
  };
}
