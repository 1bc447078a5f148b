import { readFile } from "node:fs/promises";
import { HayloftError, configFileOf, configInvalid, loadSettings } from "@hayloft/engine";
import { parse } from "yaml";
import type { EdgeConfig } from "./edge-settings.ts";
import { edgeSettings } from "./edge-settings.ts";
import { isLoopback } from "./loopback.ts";

export interface LoadedEdgeConfig {
  readonly config: EdgeConfig;
  /** Where each value came from. */
  readonly sources: Readonly<Record<string, string>>;
  /** Arguments that are no setting. */
  readonly rest: readonly string[];
}

const CONFIG_BYTES_MAX = 1_048_576;

/**
 * Reads file, environment and flags, and checks every value and how they go together. Throws `config-invalid` with all
 * problems found; secrets are not read here but by the module that uses them.
 */
export async function loadEdgeConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadedEdgeConfig> {
  const name = configFileOf(edgeSettings, { argv, env });
  const file = name === null ? null : { name, content: await readConfigFile(name) };
  const loaded = loadSettings(edgeSettings, { argv, env, file });
  checkEdgeConfig(loaded.values);
  return { config: loaded.values, sources: loaded.sources, rest: loaded.rest };
}

/** A configuration for tests and demos: the defaults, and `overrides` on them, checked like any other. */
export function edgeConfigOf(overrides: Partial<EdgeConfig> & Pick<EdgeConfig, "data_dir">): EdgeConfig {
  const content = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined && value !== null));
  const loaded = loadSettings(edgeSettings, { file: { name: "overrides", content } });
  checkEdgeConfig(loaded.values);
  return loaded.values;
}

/** Rules between settings. Throws `config-invalid` naming each that is broken. */
function checkEdgeConfig(config: EdgeConfig): void {
  const problems: string[] = [];
  const need = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };
  const both = (left: keyof EdgeConfig, right: keyof EdgeConfig): void =>
    need((config[left] === null) === (config[right] === null), `${left}: goes together with ${right}; set both or neither`);
  both("broker.tls_cert_file", "broker.tls_key_file");
  both("http.tls_cert_file", "http.tls_key_file");
  both("mqtt.username", "mqtt.password_file");
  need(
    config["backup.directory"] === null || config["backup.key_file"] !== null,
    "backup.directory: goes together with backup.key_file; hayloft-edge backup make-key makes one",
  );
  need(config.mode !== "standalone" || config.tenant_id !== null, "tenant_id: is required in mode standalone");
  need(config.mode !== "standalone" || config.hub_url === null, "hub_url: must not be set in mode standalone");
  need(
    config["hub.reconnect_min_ms"] <= config["hub.reconnect_max_ms"],
    "hub.reconnect_min_ms: must not be above hub.reconnect_max_ms",
  );
  if (!config.insecure) checkExposure(config, need);
  if (problems.length > 0) throw configInvalid(problems);
}

/** Nothing leaves this machine in the clear, and nobody unknown is let in, unless `insecure` says so. */
function checkExposure(config: EdgeConfig, need: (holds: boolean, problem: string) => void): void {
  const plain = (url: string | null, scheme: string): boolean =>
    url === null || new URL(url).protocol === `${scheme}:` || isLoopback(new URL(url).hostname);
  need(plain(config.hub_url, "https"), "hub_url: must start with https:// (or set insecure for development)");
  need(plain(config["mqtt.url"], "mqtts"), "mqtt.url: must start with mqtts:// (or set insecure for development)");
  if (config["mqtt.url"] === null && !isLoopback(config["broker.host"])) {
    need(
      config["broker.tls_cert_file"] !== null,
      "broker.host: beyond this machine the broker needs broker.tls_cert_file and broker.tls_key_file (or insecure)",
    );
    need(!config["broker.anonymous"], "broker.anonymous: beyond this machine devices need accounts (or insecure)");
  }
  need(
    isLoopback(config["http.host"]) || config["http.tls_cert_file"] !== null,
    "http.host: beyond this machine HTTP needs http.tls_cert_file and http.tls_key_file (or insecure)",
  );
}

async function readConfigFile(name: string): Promise<unknown> {
  try {
    const text = await readFile(name, "utf8");
    if (text.length > CONFIG_BYTES_MAX)
      throw new HayloftError("config-invalid", { file: name, problem: "the file is above 1 MiB" });
    return parse(text, { maxAliasCount: 0 });
  } catch (error) {
    if (error instanceof HayloftError) throw error;
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "unknown";
    throw new HayloftError("config-invalid", { file: name, problem: `cannot be read as YAML or JSON: ${reason}` }, error);
  }
}
