import { constants } from "node:fs";
import { copyFile, mkdir, open, readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Database, SqlParameter } from "../store/database.ts";
import { mendControl } from "../store/pglite/kept-control.ts";
import { pgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { PAGE_BYTES } from "../store/pglite/page-checksum.ts";
import { WorkerEngine } from "../store/pglite/worker-engine.ts";

/** A page can take PGlite down, which takes a second to open again. */
const FALLS_MAX = 40;
/** Lines of a page: its bytes by those of the shortest row with its pointer. */
const LINES_MAX = 291;
const RANGE_PAGES = 256;

/**
 * A copy of a damaged store, of which each question gets what can be read: pages are taken as they are, whatever their checksums say. What is
 * read must be checked by other means. The store itself is only read.
 */
export class DamagedStore {
  readonly #pgdata: string;
  #database: Database | null = null;
  #falls = 0;

  private constructor(pgdata: string) {
    this.#pgdata = pgdata;
  }

  /** Copies the store in `dataDir` to `scratch`, which is removed by `close`. */
  static async copy(dataDir: string, scratch: string): Promise<DamagedStore> {
    await rm(scratch, { recursive: true, force: true });
    const pgdata = path.join(scratch, "pgdata");
    await copyReadable(dataDir, scratch);
    mendControl(pgdata);
    return new DamagedStore(pgdata);
  }

  /** The rows; null where they cannot be read. */
  async read<Row>(sql: string, parameters: readonly SqlParameter[]): Promise<readonly Row[] | null> {
    if (this.#falls > FALLS_MAX) return null;
    try {
      this.#database ??= await openSalvage(this.#pgdata);
      return (await this.#database.query<Row>(sql, parameters)).rows;
    } catch (error) {
      if (this.#database === null || isLost(error)) await this.#fall();
      return null;
    }
  }

  /** Rows of a table, page by page, without any index; of a page that cannot be read as a whole, line by line. */
  async scan<Row>(table: string, columns: string, where: string, parameters: readonly SqlParameter[]): Promise<readonly Row[]> {
    const size = await this.read<{ pages: number }>(`select (pg_relation_size($1::regclass) / ${PAGE_BYTES})::int as pages`, [
      table,
    ]);
    const found: Row[] = [];
    const of = { columns: `select ctid::text as place, ${columns} from ${table}`, where, parameters };
    for (let from = 0; from < (size?.[0]?.pages ?? 0); from += RANGE_PAGES)
      for (const row of await this.#range<Row>(of, from, from + RANGE_PAGES)) found.push(row);
    return found;
  }

  async #range<Row>(of: Scan, from: number, to: number): Promise<readonly Row[]> {
    const { columns, where, parameters } = of;
    const range = `ctid >= '(${from},0)'::tid and ctid < '(${to},0)'::tid`;
    const rows = await this.read<Row>(`${columns} where ${range} and ${where}`, parameters);
    if (rows !== null) return rows;
    if (to - from === 1) return await this.#lines<Row>(of, from);
    const middle = (from + to) >> 1;
    return [...(await this.#range<Row>(of, from, middle)), ...(await this.#range<Row>(of, middle, to))];
  }

  async #lines<Row>({ columns, where, parameters }: Scan, page: number): Promise<readonly Row[]> {
    const found: Row[] = [];
    for (let line = 1; line <= LINES_MAX; line += 1)
      found.push(...((await this.read<Row>(`${columns} where ctid = '(${page},${line})'::tid and ${where}`, parameters)) ?? []));
    return found;
  }

  async close(): Promise<void> {
    await this.#database?.close().catch(() => undefined);
    await rm(path.dirname(this.#pgdata), { recursive: true, force: true });
  }

  async #fall(): Promise<void> {
    this.#falls += this.#database === null ? FALLS_MAX : 1;
    await this.#database?.close().catch(() => undefined);
    this.#database = null;
  }
}

interface Scan {
  readonly columns: string;
  readonly where: string;
  readonly parameters: readonly SqlParameter[];
}

const isLost = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "store-failed";

async function openSalvage(pgdata: string): Promise<Database> {
  const options = { dataDir: pgdata, durable: false, salvage: true, image: null, onFatal: () => undefined };
  const { engine, durability } = await WorkerEngine.open(options);
  return pgliteDatabase(engine, durability, async () => await engine.close());
}

/** Copies a directory; zeros stand for what the disk does not give any more. */
async function copyReadable(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) await copyReadable(source, target);
    else if (entry.isFile())
      await copyFile(source, target, constants.COPYFILE_FICLONE).catch(async (error: unknown) => {
        if (!(error instanceof Error && "code" in error && error.code === "EIO")) throw error;
        await copyPages(source, target);
      });
  }
}

async function copyPages(source: string, target: string): Promise<void> {
  const [input, output] = [await open(source, "r"), await open(target, "w", 0o600)];
  try {
    const { size } = await input.stat();
    for (let at = 0; at < size; at += PAGE_BYTES) {
      const page = Buffer.alloc(Math.min(PAGE_BYTES, size - at));
      await input.read(page, 0, page.length, at).catch(() => page.fill(0));
      await output.write(page, 0, page.length, at);
    }
  } finally {
    await input.close();
    await output.close();
  }
}
