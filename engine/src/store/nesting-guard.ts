import { AsyncLocalStorage } from "node:async_hooks";

/** Knows whether the running code was called from inside a transaction's work that has not ended. */
export interface NestingGuard {
  readonly inside: boolean;
  /** Runs `work` as the inside of a transaction, until it settles. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** The guard for Node: follows calls through promises and timers. */
export class AsyncNestingGuard implements NestingGuard {
  readonly #storage = new AsyncLocalStorage<{ open: boolean }>();

  get inside(): boolean {
    return this.#storage.getStore()?.open === true;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const scope = { open: true };
    return await this.#storage.run(scope, async () => {
      try {
        return await work();
      } finally {
        scope.open = false;
      }
    });
  }
}
