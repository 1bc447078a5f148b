import { platform } from "#platform";
import { HayloftError } from "../error/hayloft-error.ts";
import { ConnectedDatabase } from "../store/connected-database.ts";
import type { Database } from "../store/database.ts";
import { PgliteConnectionSource } from "../store/pglite/pglite-connection.ts";
import { BrowserEngine } from "./browser-engine.ts";

export interface BrowserDatabaseOptions {
  /** Names the database in this origin's IndexedDB; null keeps it in memory, so that it ends with the page. */
  readonly store: string | null;
  /** Starts `browser-worker.js`, as the page's bundler wants it. */
  readonly worker: () => Worker;
  /**
   * Where a new store is fetched, instead of being made, which takes several times as long: what `makeEmptyImage` made, relative to the page. A store that is there
   * is opened without it, and where it cannot be fetched a new one is made.
   */
  readonly image?: string;
  /** Called once when the worker is lost while the database is open. */
  readonly onFatal?: (error: HayloftError) => void;
}

/**
 * Opens a PGlite database in a web worker. A transaction is answered when IndexedDB has it: durability D1, D0 in memory. PGlite
 * writes each changed file whole, so a transaction costs many times what it costs in Node. Only one page of an origin has a store open, by a Web Lock of its name. Throws `store-locked` when another page has, `store-full` when the browser gives
 * no more room, `store-failed` otherwise. A transaction that ends with `store-full` may have taken effect and is not kept yet: it is with the next one that is, or goes with the
 * page. Do it again under the same keys. The browser is asked not to take the storage away when it wants room.
 */
export async function openBrowserDatabase(options: BrowserDatabaseOptions): Promise<Database> {
  const unlock = options.store === null ? () => undefined : await lockStore(options.store);
  // Best effort: a browser may ask the person, or refuse.
  if (options.store !== null) void navigator.storage?.persist?.().catch(() => false);
  const engine = new BrowserEngine(options.worker(), options.onFatal ?? (() => undefined));
  const release = async (): Promise<void> => {
    try {
      await engine.close();
    } finally {
      unlock();
    }
  };
  try {
    await engine.open(options.store, options.image === undefined ? null : new URL(options.image, location.href).href);
  } catch (error) {
    await release().catch(() => undefined);
    throw error;
  }
  return new ConnectedDatabase({
    dialect: "pglite",
    durability: options.store === null ? "D0" : "D1",
    source: new PgliteConnectionSource(engine, release),
    guard: platform.nestingGuard(),
  });
}

/** A page that has just been closed or loaded again may hold its lock a moment longer. */
const LOCK_WAIT_MS = 3_000;

/** Takes the store's lock, which the browser gives back when the page goes away; resolves to what releases it. */
async function lockStore(store: string): Promise<() => void> {
  return await new Promise<() => void>((resolve, reject) => {
    const granted = async (): Promise<void> => await new Promise<void>((release) => resolve(release));
    navigator.locks
      .request(`hayloft ${store}`, { signal: AbortSignal.timeout(LOCK_WAIT_MS) }, granted)
      .catch((cause: unknown) => reject(new HayloftError("store-locked", { store }, cause)));
  });
}
