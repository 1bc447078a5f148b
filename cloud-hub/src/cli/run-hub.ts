import { HayloftError, type Log } from "@hayloft/engine";
import type { HubSettings } from "../config/hub-settings.ts";
import { startHub } from "../hub/start-hub.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * Runs the hub until a signal asks it to stop; it drains then. A second signal ends the process at once. Throws `store-failed` when its
 * embedded server ends by itself: whoever started the hub starts it again, and with it that server, which recovers.
 */
export async function runHub(settings: HubSettings, log: Log): Promise<void> {
  const asked = signalled();
  const hub = await startHub(settings, { log });
  const lost = hub.databaseEnded === null ? [] : [hub.databaseEnded.then(() => null)];
  const signal = await Promise.race([asked, ...lost]);
  if (signal === null) {
    const error = new HayloftError("store-failed", { reason: "the embedded Postgres has ended" });
    log({ level: "error", event: "store-failed", peer: null, details: {}, error });
    await hub.stop();
    throw error;
  }
  log({ level: "info", event: "stopping", peer: null, details: { signal }, error: null });
  await hub.stop();
  log({ level: "info", event: "stopped", peer: null, details: {}, error: null });
}

/** Resolves with the first signal. */
async function signalled(): Promise<string> {
  return await new Promise((resolve) => {
    let count = 0;
    for (const signal of SIGNALS) {
      // The embedded Postgres package ends the process on these signals, before the sessions are drained. This process is
      // ours, and `stop` ends that server too.
      process.removeAllListeners(signal);
      process.on(signal, () => {
        count += 1;
        if (count > 1) process.exit(1);
        resolve(signal);
      });
    }
  });
}
