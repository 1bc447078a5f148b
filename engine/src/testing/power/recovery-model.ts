import { CONTROL, readControl } from "../../store/pglite/control-file.ts";
import { isWholePage } from "../../store/pglite/page-checksum.ts";
import type { PagedBytes } from "./paged-bytes.ts";
import { PAGE } from "./paged-bytes.ts";
import type { DiskOperation, DiskState } from "./recorded-disk.ts";
import { WalReader } from "./wal-reader.ts";

/** What a recovery of one state would come to. */
export interface Recovery {
  /** The place up to which the log can be applied: a commit is there when its record ends before. */
  readonly reach: number;
  /** What Postgres relies on and would not find. */
  readonly missing: readonly string[];
}

/** Tables, indexes and visibility maps; Postgres mends free space maps by itself. */
const RELATION = /^(?:global|base\/\d+)\/\d+(?:_vm|_init)?$/u;

/**
 * What Postgres' recovery relies on, checked for a state of a disk without Postgres, in a millisecond or two, so that thousands can be. It is
 * what Postgres' write-ahead logging promises:
 * - the control file is whole, and the log from its redo place on has the checkpoint that it names;
 * - a page is whole, or the log from the redo place on makes it whole;
 * - no page is newer than the log, unless all of its file is, which then nothing speaks of;
 * - each page that was changed before the redo place is there with that change.
 *
 * The state of transactions has no place in the log that would show it: it must be certain when a checkpoint is named.
 * `base` gives a file as it was before the record began.
 */
export class RecoveryModel {
  readonly #base: (file: string) => PagedBytes;
  readonly #log = new WalReader();
  /** Of each page written in the record: the places in the log of its changes, rising. */
  readonly #changes = new Map<string, Map<number, number[]>>();
  readonly #whole = new WeakMap<Buffer, boolean>();

  constructor(record: readonly DiskOperation[], base: (file: string) => PagedBytes) {
    this.#base = base;
    for (const operation of record) {
      if (operation.kind !== "write" || !RELATION.test(operation.file) || operation.at % PAGE !== 0) continue;
      const data = Buffer.from(operation.data, "base64");
      for (let at = 0; at + PAGE <= data.length; at += PAGE)
        this.#noteChange(operation.file, (operation.at + at) / PAGE, changeOf(data.subarray(at)));
    }
  }

  recoveryOf(state: DiskState): Recovery {
    const content = (file: string): PagedBytes | null => {
      const found = state.get(file);
      return found === undefined || found === "directory" ? null : (found ?? this.#base(file));
    };
    const control = readControl(content(CONTROL)?.bytes() ?? Buffer.alloc(0));
    if (control === null) return { reach: 0, missing: [`${CONTROL} is not whole`] };
    const { end: reach, made } = this.#log.from(control.redo, (segment) => content(`pg_wal/${segment}`));
    const missing =
      reach > control.checkpoint ? [] : [`the log ends at ${reach}, before the checkpoint at ${control.checkpoint}`];
    for (const [file, blocks] of this.#changes) {
      if (!isKnown(blocks, reach)) continue;
      const { pages = [], length = 0 } = content(file) ?? {};
      for (const [block, changes] of blocks) {
        if (made.has(`${file}:${block}`)) continue;
        const needed = changes.findLast((change) => change <= control.redo) ?? 0;
        // Of a file that ends within a page, Postgres counts the whole ones.
        const page = length < (block + 1) * PAGE ? undefined : pages[block];
        const wrong = this.#wrongWith(page, block, needed, reach);
        if (wrong !== null) missing.push(`${file} page ${block} ${wrong}`);
      }
    }
    return { reach, missing };
  }

  /** What is wrong with a page that the log does not make anew; `needed`: the last change that it must have. */
  #wrongWith(page: Buffer | undefined, block: number, needed: number, reach: number): string | null {
    if (page === undefined) return needed === 0 ? null : "is not there";
    const isWhole = this.#whole.get(page) ?? isWholePage(page, block);
    this.#whole.set(page, isWhole);
    if (!isWhole) return "is not whole";
    const change = changeOf(page);
    if (change < needed) return `is as of ${change}, before ${needed}`;
    return change > reach ? `is as of ${change}, and the log ends at ${reach}` : null;
  }

  #noteChange(file: string, block: number, change: number): void {
    const blocks = this.#changes.get(file) ?? new Map<number, number[]>();
    this.#changes.set(file, blocks);
    const changes = blocks.get(block) ?? [];
    blocks.set(block, changes);
    if (change > (changes.at(-1) ?? 0)) changes.push(change);
  }
}

/** Whether the log up to a place has a change of a file with these pages. */
const isKnown = (blocks: ReadonlyMap<number, readonly number[]>, place: number): boolean =>
  [...blocks.values()].some(([first = Infinity]) => first <= place);

/** The place in the log of a page's last change; 0 for a page that was never written. */
const changeOf = (page: Buffer): number => page.readUInt32LE(0) * 2 ** 32 + page.readUInt32LE(4);
