import { setTimeout } from "node:timers/promises";
import { findDamage } from "./find-damage.ts";
import type { PgliteEngine } from "./pglite-engine.ts";

/** About 20 MB a second, in a tenth of one core. */
const PAGES_AT_ONCE = 64;
const PAUSE_MS = 25;

/**
 * Reads and checks all pages of an open store, now and `everyMs` after each end, and condemns the store at the first that is not whole: what
 * nobody reads for weeks would else be found when it is needed. Ends with `abort`.
 */
export function watchPages(pgdata: string, everyMs: number, engine: Pick<PgliteEngine, "condemn">): AbortController {
  const ending = new AbortController();
  const { signal } = ending;
  const look = async (): Promise<void> => {
    let read = 0;
    const between = async (pages: number): Promise<void> => {
      read += pages;
      if (read < PAGES_AT_ONCE) return;
      read = 0;
      await pause(PAUSE_MS, signal);
    };
    const found = await findDamage(pgdata, { signal, between });
    if (signal.aborted) return;
    if (found !== null) engine.condemn({ ...found });
    else void pause(everyMs, signal).then(again);
  };
  const again = async (): Promise<void> => {
    // What cannot be read now is read at the next look; a statement that needs it says so.
    if (!signal.aborted) await look().catch(() => void pause(everyMs, signal).then(again));
  };
  void again();
  return ending;
}

/** Keeps no process from ending; ends early when the store closes. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
