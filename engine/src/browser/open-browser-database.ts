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
  /** Called once when the worker is lost while the database is open. */
  readonly onFatal?: (error: HayloftError) => void;
}

/**
 * Opens a PGlite database in a web worker. A transaction is answered when it is in IndexedDB: durability D1, D0 in memory. Only one
 * page of an origin has a store open, by a Web Lock of its name. Throws `store-locked` when another page has, `store-failed`
 * otherwise.
 */
export async function openBrowserDatabase(options: BrowserDatabaseOptions): Promise<Database> {
  const unlock = options.store === null ? () => undefined : await lockStore(options.store);
  const engine = new BrowserEngine(options.worker(), options.onFatal ?? (() => undefined));
  const release = async (): Promise<void> => {
    try {
      await engine.close();
    } finally {
      unlock();
    }
  };
  try {
    await engine.open(options.store);
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

/** Takes the store's lock, which the browser gives back when the page goes away; resolves to what releases it. */
async function lockStore(store: string): Promise<() => void> {
  return await new Promise<() => void>((resolve, reject) => {
    const held = navigator.locks.request(`hayloft ${store}`, { ifAvailable: true }, async (lock) => {
      if (lock === null) {
        reject(new HayloftError("store-locked", { store }));
        return;
      }
      await new Promise<void>((release) => resolve(release));
    });
    held.catch(reject);
  });
}
