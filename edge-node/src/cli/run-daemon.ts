import type { HayloftError } from "@hayloft/engine";
import { createEdgeLog, errorFields } from "../daemon/edge-log.ts";
import { EDGE_VERSION } from "../daemon/edge-version.ts";
import { startRecovered } from "../daemon/recover-store.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import type { CliPort } from "./cli-port.ts";
import { exitCodes } from "./cli-port.ts";

/**
 * Runs the daemon until a signal, then drains it. When the store fails or is damaged, the exit code is 1: a service manager starts the
 * daemon again, and it recovers what was acknowledged.
 */
export async function runDaemon(config: EdgeConfig, port: CliPort): Promise<number> {
  const log = createEdgeLog(config, EDGE_VERSION);
  let failed: (error: HayloftError) => void = () => undefined;
  const fatal = new Promise<HayloftError>((resolve) => {
    failed = resolve;
  });
  const edge = await startRecovered(config, { log, onFatal: (error) => failed(error) });
  const end = await Promise.race([port.untilSignal(), fatal]);
  if (typeof end !== "string") {
    log.write("fatal", end.code === "store-damaged" ? end.code : "store-failed", errorFields(end));
    return exitCodes.failed;
  }
  log.write("info", "edge-stopping", { signal: end });
  await edge.stop();
  log.write("info", "edge-stopped", {});
  return exitCodes.done;
}
