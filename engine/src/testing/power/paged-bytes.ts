/** Bytes of a page: one of Postgres. */
export const PAGE = 8192;
const ZEROS = Buffer.alloc(PAGE);

/** The bytes of a file in pages. Neither it nor a page is ever changed: states share what they have in common, and it is looked at once. */
export class PagedBytes {
  static readonly empty = new PagedBytes(0, []);

  readonly length: number;
  /** Each of 8,192 bytes, the last filled up with zeros. */
  readonly pages: readonly Buffer[];

  private constructor(length: number, pages: readonly Buffer[]) {
    this.length = length;
    this.pages = pages;
  }

  static of(bytes: Buffer): PagedBytes {
    const pages = Array.from({ length: pagesOf(bytes.length) }, (_, page) => bytes.subarray(page * PAGE, (page + 1) * PAGE));
    return new PagedBytes(bytes.length, pages.map(filled));
  }

  /** Cut off, or made longer by zeros. */
  resized(length: number): PagedBytes {
    if (length === this.length) return this;
    const pages = Array.from({ length: pagesOf(length) }, (_, page) => this.pages[page] ?? ZEROS);
    const rest = length % PAGE;
    const last = pages.at(-1);
    if (length < this.length && rest > 0 && last !== undefined) pages[pages.length - 1] = filled(last.subarray(0, rest));
    return new PagedBytes(length, pages);
  }

  /** With parts of `data`, which begins at `at`: each part as where it begins and ends in `data`, in rising order. */
  written(at: number, data: Buffer, parts: readonly (readonly [from: number, to: number])[]): PagedBytes {
    const end = at + (parts.at(-1)?.[1] ?? 0);
    const { length, pages: before } = parts.length > 0 && end > this.length ? this.resized(end) : this;
    const pages = [...before];
    const copied = new Set<number>();
    for (const [from, to] of parts) {
      for (let done = from; done < to;) {
        const page = Math.floor((at + done) / PAGE);
        const offset = (at + done) % PAGE;
        const upTo = Math.min(to, done + PAGE - offset);
        if (!copied.has(page)) pages[page] = Buffer.from(pages[page] ?? ZEROS);
        copied.add(page);
        pages[page]?.set(data.subarray(done, upTo), offset);
        done = upTo;
      }
    }
    return new PagedBytes(length, pages);
  }

  /** Some of the bytes; null where they are not all there. */
  read(at: number, length: number): Buffer | null {
    if (at + length > this.length) return null;
    const offset = at % PAGE;
    const page = this.pages[(at - offset) / PAGE];
    if (page !== undefined && offset + length <= PAGE) return page.subarray(offset, offset + length);
    const pages = this.pages.slice((at - offset) / PAGE, pagesOf(at + length));
    return Buffer.concat(pages).subarray(offset, offset + length);
  }

  bytes(): Buffer {
    return Buffer.concat(this.pages).subarray(0, this.length);
  }
}

const pagesOf = (length: number): number => Math.ceil(length / PAGE);

function filled(page: Buffer): Buffer {
  return page.length === PAGE ? page : Buffer.concat([page], PAGE);
}
