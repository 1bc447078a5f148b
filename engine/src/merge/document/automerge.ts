import type * as Automerge from "@automerge/automerge/slim";
import type { Draft, TreeMap, TreePath } from "./draft.ts";
import type { SearchBudget } from "./text-search.ts";

type Api = Pick<
  typeof Automerge,
  "init" | "change" | "clone" | "splice" | "applyChanges" | "getLastLocalChange" | "getHeads" | "toJS" | "free"
>;

let api: Api | null = null;

/**
 * Loads Automerge, once. Must be done before a document with concurrent edits is merged; `openReplica` does it when the catalog
 * declares documents. The WebAssembly comes as text inside a module, the one way that needs no bundler, no path and no fetch, in Node and browsers.
 */
export async function loadAutomerge(): Promise<void> {
  if (api !== null) return;
  const [slim, wasm] = await Promise.all([
    import("@automerge/automerge/slim"),
    import("@automerge/automerge/automerge.wasm.base64"),
  ]);
  await slim.initializeBase64Wasm(wasm.automergeWasmBase64);
  api = slim;
}

function loaded(): Api {
  if (api === null) throw new TypeError("documents are merged before loadAutomerge");
  return api;
}

/** A change as Automerge encodes it. It never leaves the process. */
export type AutomergeChange = Uint8Array;

/**
 * A value under concurrent edits. Everything that Automerge would take from a clock or a random source is given, so that equal calls
 * give equal documents.
 */
export class MergeDocument {
  #doc: Automerge.Doc<TreeMap>;

  private constructor(doc: Automerge.Doc<TreeMap>) {
    this.#doc = doc;
  }

  static of(top: TreeMap): MergeDocument {
    const { init, change } = loaded();
    const empty = init<TreeMap>({ actor: actorOf(0) });
    return new MergeDocument(change(empty, { time: 0 }, (proxy) => void Object.assign(proxy, structuredClone(top))));
  }

  /** The same document for another writer. `writer` is 1 or more, and not used before. */
  fork(writer: number): MergeDocument {
    return new MergeDocument(loaded().clone(this.#doc, { actor: actorOf(writer) }));
  }

  /** Edits the document and returns the change, or null when nothing changed. */
  edit(budget: SearchBudget, make: (draft: Draft) => void): AutomergeChange | null {
    const { change, getHeads, getLastLocalChange, splice } = loaded();
    const before = getHeads(this.#doc).join();
    this.#doc = change(this.#doc, { time: 0 }, (proxy) => {
      make({
        top: proxy,
        budget,
        splice: (path: TreePath, at, cut, put) => {
          splice(proxy, [...path], at, cut, put);
        },
      });
    });
    return getHeads(this.#doc).join() === before ? null : (getLastLocalChange(this.#doc) ?? null);
  }

  /** Takes in changes of forks of the same document, in any order. */
  apply(changes: readonly AutomergeChange[]): void {
    if (changes.length > 0) [this.#doc] = loaded().applyChanges(this.#doc, [...changes]);
  }

  /** The value as it is now. */
  read(): TreeMap {
    return loaded().toJS(this.#doc);
  }

  /** Gives its memory back; the document must not be used any more. */
  free(): void {
    loaded().free(this.#doc);
  }
}

const actorOf = (writer: number): string => writer.toString(16).padStart(32, "0");
