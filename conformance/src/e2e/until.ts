import { setTimeout } from "node:timers/promises";

const POLL_MS = 15;

/** Looks again and again until `look` gives something other than null, undefined or false, and returns it. Fails after `withinMs`. */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | null | undefined | false> | Found | null | undefined | false,
  withinMs = 60_000,
): Promise<Found> {
  const giveUpAtMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAtMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await setTimeout(POLL_MS);
  }
}
