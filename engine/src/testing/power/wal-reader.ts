import { walRecord } from "../../store/pglite/wal-record.ts";
import type { PagedBytes } from "./paged-bytes.ts";
import { PAGE } from "./paged-bytes.ts";
import { pagesMadeBy } from "./wal-blocks.ts";

/** A file of the log by its name; null when it is not there. */
type Segments = (name: string) => PagedBytes | null;

interface ReadRecord {
  /** The pages of the log that it was read from. */
  readonly from: readonly { readonly segment: string; readonly index: number; readonly page: Buffer }[];
  readonly end: number;
  readonly made: readonly string[];
}

/** Reads the logs of many states, which have most of their pages in common: a record is checked once. */
export class WalReader {
  readonly #records = new Map<number, ReadRecord>();

  /** Where the log that can be read from a place on ends, and the pages that applying it makes whole, as `<file>:<block>`. */
  from(place: number, segments: Segments): { readonly end: number; readonly made: ReadonlySet<string> } {
    const made = new Set<string>();
    let end = place;
    for (let record = this.#at(end, segments); record !== null; record = this.#at(end, segments)) {
      for (const page of record.made) made.add(page);
      end = record.end;
    }
    return { end, made };
  }

  #at(place: number, segments: Segments): ReadRecord | null {
    const known = this.#records.get(place);
    if (known?.from.every(({ segment, index, page }) => segments(segment)?.pages[index] === page) === true) return known;
    const from = new Map<string, ReadRecord["from"][number]>();
    const found = walRecord((segment, at, length) => {
      const content = segments(segment);
      const index = Math.floor(at / PAGE);
      const page = content?.pages[index];
      if (page !== undefined) from.set(`${segment}:${index}`, { segment, index, page });
      return content?.read(at, length) ?? null;
    }, place);
    if (found === null) return null;
    const record = { from: [...from.values()], end: found.end, made: pagesMadeBy(found) };
    this.#records.set(place, record);
    return record;
  }
}
