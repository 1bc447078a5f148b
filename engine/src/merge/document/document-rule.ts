import type { CellText } from "../../commit/commit.ts";
import type { MemoryRule } from "../memory/memory-rule.ts";
import { loadAutomerge } from "./automerge.ts";
import { jsonOpFault, jsonPatches, textOp, textOpFault, wholeJsonOp, wholeTextOp } from "./document-op.ts";
import { joinVersions, seenAfter, valueOfBase, versionsJson } from "./document-state.ts";
import { type Draft, isList, isMap, ROOT, type Tree, treeAt, type TreeMap } from "./draft.ts";
import { type DocumentKind, foldDocument, foldLimit } from "./fold-document.ts";
import { formatTree, parseTree } from "./json-tree.ts";
import { placeJson } from "./place-json.ts";
import { placeText, TEXT_PATH } from "./place-text.ts";

/** Several people may fill a document at the same time, each up to its limit; beyond this their edits are refused. */
const GROWTH = 4;
/** Edits since the top folded the last time. It folds long before (`compactDocuments`). */
const ENTRIES_MAX = 10_000;

/**
 * `document`: a text or a JSON value in which concurrent edits merge. An operation is what a write changed and what its writer
 * had seen; the value is what Automerge makes of the set of all operations (`foldDocument`). So it does not depend on the order of
 * their arrival, and the join, a union of sets, is commutative, associative and idempotent. Automerge's own encoding never
 * travels: no replica ever reads bytes of it that another made.
 */
export function documentRule(kind: "text" | "json", bytesMax: number): MemoryRule {
  const isText = kind === "text";
  const folding = isText ? textKind : jsonKind;
  const valueOf: MemoryRule["valueOf"] = (base, entries) => foldDocument(folding, valueOfBase(base, isText), entries);
  return {
    prepare: loadAutomerge,
    needsSeen: true,
    addsUp: true,
    keepsAuthor: false,
    opFault: (op) => (isText ? textOpFault(op, bytesMax) : jsonOpFault(op, bytesMax)),
    memoryFault: ({ entries }, value) =>
      entries.length > ENTRIES_MAX || (value ?? "").length > GROWTH * bytesMax ? "the document holds too much" : null,
    opOfValue: isText ? wholeTextOp : wholeJsonOp,
    valueOf,
    fold: (base, entries) => versionsJson([{ seen: seenAfter(base, entries), value: valueOf(base, entries) }]),
    foldLimit,
    joinStates: joinVersions,
  };
}

const textKind: DocumentKind = {
  open: (value) => ({ [ROOT]: value ?? "" }),
  place: (draft, { op }) => {
    const { at, ...patch } = textOp(op);
    placeText(draft, TEXT_PATH, { ...patch, at: unitsOf(draft, at) });
  },
  close: (top, entries) => {
    const value = top[ROOT];
    const isNone = value === "" && textOp(entries.at(-1)?.op ?? null).none;
    return typeof value !== "string" || isNone ? null : value;
  },
};

/** The place of a character in UTF-16 units. */
function unitsOf({ top }: Draft, at: number): number {
  const text = treeAt(top, TEXT_PATH);
  if (typeof text !== "string" || !/[\ud800-\udbff]/.test(text)) return at;
  let units = 0;
  let left = at;
  for (const character of text) {
    if (left <= 0) break;
    units += character.length;
    left -= 1;
  }
  return units + left;
}

const jsonKind: DocumentKind = {
  open: (value, entries) => {
    if (value !== null) return { [ROOT]: parseTree(value) };
    const begun = entries.flatMap(({ op }) =>
      jsonPatches(op).filter(({ path, before }) => path.length === 0 && before === undefined),
    );
    const shared = sharedPlaces(begun.map(({ after }) => after ?? null));
    return begun.length > 1 && shared !== null ? { [ROOT]: shared } : {};
  },
  place: (draft, { op }) => {
    for (const patch of jsonPatches(op)) placeJson(draft, patch);
  },
  close: (top): CellText => {
    const value = top[ROOT];
    return value === undefined ? null : formatTree(value);
  },
};

/**
 * The objects and lists that all of these values have, empty; null when they are neither. Writers who begin a document beside each
 * other write into these, where each would otherwise put a list of its own in the place of the other's.
 */
function sharedPlaces(values: readonly Tree[]): Tree | null {
  if (values.every(isList)) return [];
  if (!values.every(isMap)) return null;
  const places: TreeMap = {};
  for (const key of new Set(values.flatMap((value) => Object.keys(value)))) {
    const members = values.map((value) => value[key]).filter((member) => member !== undefined);
    const shared = members.length > 1 ? sharedPlaces(members) : null;
    if (shared !== null) places[key] = shared;
  }
  return places;
}
