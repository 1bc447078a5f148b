import path from "node:path";
import { PagedBytes } from "./paged-bytes.ts";

/** One line of a record: what a program did to its disk, by names relative to the store's directory, or what it said. */
export type DiskOperation =
  | { readonly kind: "write"; readonly file: string; readonly at: number; readonly data: string }
  | { readonly kind: "truncate"; readonly file: string; readonly size: number }
  | { readonly kind: "sync"; readonly file: string }
  | NameOperation
  | { readonly kind: "said"; readonly line: string };

type NameOperation =
  | { readonly kind: "create" | "mkdir" | "unlink"; readonly file: string }
  | { readonly kind: "rename"; readonly file: string; readonly to: string };

/** A name that may not be on the disk yet: it is when all of `unsynced` have been synced. */
interface PendingName {
  readonly operation: NameOperation;
  readonly node: DiskFile | "directory" | null;
  readonly unsynced: Set<string>;
}

type PendingContent = { readonly at: number; readonly data: Buffer } | { readonly size: number };

/** How a disk treats what was not synced when the power goes: `torn` keeps any sectors and names, in any order. */
export type CutMode = "lost" | "kept" | "torn";

/** What a disk holds after a cut: the names with their content, null for what is as it was before the record. */
export type DiskState = ReadonlyMap<string, PagedBytes | "directory" | null>;

const SECTOR = 512;

class DiskFile {
  /** Where it was before the record began; null for a new file. */
  readonly base: string | null;
  content: PagedBytes | null;
  pending: PendingContent[] = [];

  constructor(base: string | null) {
    this.base = base;
    this.content = base === null ? PagedBytes.empty : null;
  }
}

/**
 * What a disk holds after the operations it was given, and what it may hold when the power goes: content is certain once its
 * file was synced, a name once its directory was. Everything else may be there, be missing, or be there in part, 512 bytes at
 * a time: the model of ALICE and of SQLite's crash tests. Reads the files of `base`, as they were before, by `readBase`.
 */
export class RecordedDisk {
  readonly #readBase: (file: string) => PagedBytes;
  /** Names as the program sees them. */
  readonly #live = new Map<string, DiskFile | "directory">();
  readonly #durable = new Map<string, DiskFile | "directory">();
  #pending: PendingName[] = [];

  constructor(base: Iterable<readonly [string, "file" | "directory"]>, readBase: (file: string) => PagedBytes) {
    this.#readBase = readBase;
    for (const [name, kind] of base) {
      const node = kind === "directory" ? kind : new DiskFile(name);
      this.#live.set(name, node);
      this.#durable.set(name, node);
    }
  }

  apply(operation: DiskOperation): void {
    switch (operation.kind) {
      case "said":
        return;
      case "write":
        this.#file(operation.file).pending.push({ at: operation.at, data: Buffer.from(operation.data, "base64") });
        return;
      case "truncate":
        this.#file(operation.file).pending.push({ size: operation.size });
        return;
      case "sync":
        this.#sync(operation.file);
        return;
      case "create":
      case "mkdir":
      case "unlink":
      case "rename":
        this.#rename(operation);
    }
  }

  /**
   * The files of one state after a power cut: the names with their content, null for what is as it was in `base`.
   * `random` gives numbers of [0, 1).
   */
  cut(mode: CutMode, random: () => number): DiskState {
    const keeps = (): boolean => mode === "kept" || (mode === "torn" && random() < 0.5);
    const names = new Map(this.#durable);
    for (const pending of this.#pending) if (keeps()) renamed(names, pending.operation, pending.node);
    const state = new Map<string, PagedBytes | "directory" | null>();
    for (const [name, node] of names) {
      // A file cannot be where its directory is not.
      if (!hasParents(names, name)) continue;
      if (node === "directory") state.set(name, node);
      else state.set(name, this.#contentAfter(node, keeps, name));
    }
    return state;
  }

  /** The files whose content a power cut could change now, and those whose name it could. */
  uncertain(): readonly string[] {
    const files = [...this.#live].filter(([, node]) => node !== "directory" && node.pending.length > 0);
    return [...new Set([...files.map(([name]) => name), ...this.#pending.map(({ operation }) => operation.file)])];
  }

  #contentAfter(file: DiskFile, keeps: () => boolean, name: string): PagedBytes | null {
    if (file.content === null && file.pending.length === 0 && file.base === name) return null;
    return file.pending.reduce((content, change) => changed(content, change, keeps), this.#contentOf(file));
  }

  #contentOf(file: DiskFile): PagedBytes {
    return file.content ?? this.#readBase(file.base ?? "");
  }

  #file(name: string): DiskFile {
    const node = this.#live.get(name);
    if (node === undefined || node === "directory") throw new Error(`The record changes ${name}, which is no file.`);
    return node;
  }

  #sync(name: string): void {
    const node = this.#live.get(name);
    if (node === undefined) return;
    if (node !== "directory") {
      if (node.pending.length === 0) return;
      node.content = node.pending.reduce((content, change) => changed(content, change, () => true), this.#contentOf(node));
      node.pending = [];
      return;
    }
    const left: PendingName[] = [];
    for (const pending of this.#pending) {
      pending.unsynced.delete(name);
      if (pending.unsynced.size === 0) renamed(this.#durable, pending.operation, pending.node);
      else left.push(pending);
    }
    this.#pending = left;
  }

  #rename(operation: NameOperation): void {
    const present = this.#live.get(operation.file) ?? null;
    if ((operation.kind === "create" || operation.kind === "mkdir") && present !== null) return;
    const node = operation.kind === "create" ? new DiskFile(null) : operation.kind === "mkdir" ? "directory" : present;
    const directories = new Set([parentOf(operation.file)]);
    if (operation.kind === "rename") directories.add(parentOf(operation.to));
    renamed(this.#live, operation, node);
    this.#pending.push({ operation, node, unsynced: directories });
  }
}

const parentOf = (name: string): string => {
  const parent = path.dirname(name);
  return parent === "." ? "" : parent;
};

function hasParents(names: ReadonlyMap<string, unknown>, name: string): boolean {
  for (let parent = parentOf(name); parent !== ""; parent = parentOf(parent)) if (!names.has(parent)) return false;
  return true;
}

function renamed(
  names: Map<string, DiskFile | "directory">,
  operation: NameOperation,
  node: DiskFile | "directory" | null,
): void {
  if (operation.kind === "unlink") names.delete(operation.file);
  if (node === null) return;
  if (operation.kind === "create" || operation.kind === "mkdir") names.set(operation.file, node);
  if (operation.kind !== "rename") return;
  const moves = [...names].filter(([name]) => name === operation.file || name.startsWith(`${operation.file}/`));
  for (const [name, moved] of moves) {
    names.delete(name);
    names.set(operation.to + name.slice(operation.file.length), moved);
  }
}

function changed(content: PagedBytes, change: PendingContent, keeps: () => boolean): PagedBytes {
  if ("size" in change) return keeps() ? content.resized(change.size) : content;
  const { at, data } = change;
  const kept: [number, number][] = [];
  for (let from = 0; from < data.length;) {
    // Sectors of the disk, not of the write.
    const to = Math.min(data.length, from + SECTOR - ((at + from) % SECTOR));
    if (keeps()) kept.push([from, to]);
    from = to;
  }
  return content.written(at, data, kept);
}
