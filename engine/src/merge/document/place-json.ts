import { diffSequences } from "./diff-sequences.ts";
import {
  type Draft,
  isList,
  isMap,
  ROOT,
  setTree,
  type Tree,
  treeAt,
  type TreeList,
  type TreeMap,
  type TreePath,
} from "./draft.ts";
import { equalTrees, formatTree, treeKey } from "./json-tree.ts";
import { placeText, wholePatch } from "./place-text.ts";

/** What somebody did to the value under a path of object keys. Absent: there was, or is, none. */
export interface JsonPatch {
  readonly path: readonly string[];
  readonly before: Tree | undefined;
  readonly after: Tree | undefined;
}

/** Above so many edits between two lists, what is between their common ends is replaced whole. */
const EDITS_MAX = 512;

/** Makes a change in a value that is, or has become, another than the writer saw; as little of it as the writer changed. */
export function placeJson(draft: Draft, { path, before, after }: JsonPatch): void {
  const keys = path.map(treeKey);
  const steps: TreePath = [ROOT, ...keys];
  for (let length = 1; length < steps.length; length += 1) {
    const parent = treeAt(draft.top, steps.slice(0, length));
    if (isMap(parent)) continue;
    // Somebody took the object away or put something else there; what is new in it is kept when there is room.
    if (parent !== undefined || after === undefined) return;
    setTree(draft.top, steps.slice(0, length), {});
  }
  placeValue(draft, steps, before, after);
}

function placeValue(draft: Draft, path: TreePath, before: Tree | undefined, after: Tree | undefined): void {
  const current = treeAt(draft.top, path);
  if (after === undefined) {
    if (current !== undefined && before !== undefined && equalTrees(current, before)) remove(draft.top, path);
  } else if (current === undefined) setTree(draft.top, path, after);
  else if (typeof current === "string" && typeof before === "string" && typeof after === "string")
    placeText(draft, path, wholePatch(before, after));
  else if (isMap(current) && isMap(before ?? {}) && isMap(after)) placeMembers(draft, path, before, after);
  else if (isList(current) && isList(before ?? []) && isList(after)) placeItems(draft, path, before, after);
  else if (!equalTrees(current, after)) setTree(draft.top, path, after);
}

function remove(top: TreeMap, path: TreePath): void {
  const parent = treeAt(top, path.slice(0, -1));
  const step = path.at(-1);
  if (typeof step === "number" && isList(parent)) parent.splice(step, 1);
  if (typeof step === "string" && isMap(parent)) Reflect.deleteProperty(parent, step);
}

function placeMembers(draft: Draft, path: TreePath, before: Tree | undefined, after: TreeMap): void {
  const old = isMap(before) ? before : {};
  for (const key of [...new Set([...Object.keys(old), ...Object.keys(after)])].sort()) {
    const [mine, fresh] = [old[key], after[key]];
    const isSame = mine === undefined || fresh === undefined ? mine === fresh : equalTrees(mine, fresh);
    if (!isSame) placeValue(draft, [...path, key], mine, fresh);
  }
}

/** Items are the same when they have the same `id`, or else the same content. */
function itemName(item: Tree): string {
  const id = isMap(item) ? item[treeKey("id")] : undefined;
  return typeof id === "string" || typeof id === "number" ? `#${String(id)}` : formatTree(item);
}

/** For each item of the old list its place in the new one; -1 when it has none. */
function alignItems(old: TreeList, fresh: TreeList): number[] {
  const places = old.map(() => -1);
  let from = 0;
  let shift = 0;
  const keep = (to: number): void => {
    for (; from < to; from += 1) places[from] = from + shift;
  };
  for (const hunk of diffSequences(old.map(itemName), fresh.map(itemName), EDITS_MAX)) {
    keep(hunk.from);
    pairChanged(old, fresh, hunk, places);
    from = hunk.to;
    shift = hunk.freshTo - hunk.to;
  }
  keep(old.length);
  return places;
}

const kindOf = (item: Tree): string => (isList(item) ? "list" : isMap(item) ? "map" : typeof item);

/** Items that were replaced one by one are the same items with another content, when nothing says otherwise. */
function pairChanged(
  old: TreeList,
  fresh: TreeList,
  hunk: { readonly from: number; readonly to: number; readonly freshFrom: number; readonly freshTo: number },
  places: number[],
): void {
  if (hunk.to - hunk.from !== hunk.freshTo - hunk.freshFrom) return;
  for (let offset = 0; offset < hunk.to - hunk.from; offset += 1) {
    const [mine, other] = [old[hunk.from + offset], fresh[hunk.freshFrom + offset]];
    if (mine === undefined || other === undefined || kindOf(mine) !== kindOf(other)) continue;
    if (itemName(mine).startsWith("#") || itemName(other).startsWith("#")) continue;
    if (kindOf(mine) === "map" || kindOf(mine) === "list" || kindOf(mine) === "string")
      places[hunk.from + offset] = hunk.freshFrom + offset;
  }
}

function placeItems(draft: Draft, path: TreePath, before: Tree | undefined, after: TreeList): void {
  const old = isList(before) ? before : [];
  const list = treeAt(draft.top, path);
  if (!isList(list)) return;
  const next = alignItems(old, after);
  const now = removeItems(list, old, alignItems(old, [...list]), next);
  const sources = new Map([...next.entries()].filter(([, place]) => place >= 0).map(([index, place]) => [place, index]));
  // From the last to the first, so that the places of those to come stay right.
  let anchor = list.length;
  for (let place = after.length - 1; place >= 0; place -= 1) {
    const source = sources.get(place);
    const fresh = after[place];
    if (fresh === undefined) continue;
    if (source === undefined) list.splice(insertionPlace(now, sources, place, anchor), 0, fresh);
    else anchor = placeKept(draft, path, list, { old: old[source], fresh, at: now[source] ?? -1, anchor });
  }
}

/** Takes out the items that the writer took out, but for those that somebody else changed since. Returns where the others are now. */
function removeItems(list: TreeList, old: TreeList, places: readonly number[], next: readonly number[]): readonly number[] {
  const removed = new Set<number>();
  for (let index = old.length - 1; index >= 0; index -= 1) {
    const at = places[index] ?? -1;
    const [item, current] = [old[index], list[at]];
    if ((next[index] ?? -1) >= 0 || item === undefined || current === undefined || !equalTrees(current, item)) continue;
    list.splice(at, 1);
    removed.add(at);
  }
  let before = 0;
  let from = 0;
  return places.map((at) => {
    for (; from < at; from += 1) before += removed.has(from) ? 1 : 0;
    return at < 0 || removed.has(at) ? -1 : at - before;
  });
}

/** Behind the item that stands before it, when that is still there; else before all that follow. */
function insertionPlace(now: readonly number[], sources: ReadonlyMap<number, number>, place: number, anchor: number): number {
  for (let previous = place - 1; previous >= 0; previous -= 1) {
    const source = sources.get(previous);
    const at = source === undefined ? -1 : (now[source] ?? -1);
    if (at >= 0) return Math.min(at + 1, anchor);
  }
  return anchor;
}

/** An item that the writer kept, perhaps changed. One that is gone and was changed comes back. Returns its place. */
function placeKept(
  draft: Draft,
  path: TreePath,
  list: TreeList,
  item: { readonly old: Tree | undefined; readonly fresh: Tree; readonly at: number; readonly anchor: number },
): number {
  const { old, fresh, at, anchor } = item;
  if (old !== undefined && equalTrees(old, fresh)) return at >= 0 ? at : anchor;
  if (at >= 0) {
    placeValue(draft, [...path, at], old, fresh);
    return at;
  }
  list.splice(anchor, 0, fresh);
  return anchor;
}
