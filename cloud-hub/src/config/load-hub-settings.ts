import { readFileSync } from "node:fs";
import { configFileOf, configInvalid, loadSettings } from "@hayloft/engine";
import type { SettingSource } from "@hayloft/engine";
import { parse } from "yaml";
import { hubSettingProblems } from "./check-hub-settings.ts";
import type { HubSettings } from "./hub-settings.ts";
import { hubSettings } from "./hub-settings.ts";

export interface LoadedHubSettings {
  readonly settings: HubSettings;
  readonly sources: Readonly<Record<string, SettingSource>>;
  /** The configuration file that was read, or null. */
  readonly file: string | null;
  /** Commands and their own options. */
  readonly rest: readonly string[];
}

const FILE_BYTES_MAX = 1024 * 1024;
const SECRET_BYTES_MAX = 64 * 1024;

/** Reads the settings from flags, environment and the configuration file. Throws `config-invalid` with all problems. */
export function loadHubSettings(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): LoadedHubSettings {
  const file = configFileOf(hubSettings, { argv, env });
  const content = file === null ? null : { name: file, content: parseFile(file) };
  const { values, sources, rest } = loadSettings(hubSettings, { argv, env, file: content });
  assertHubSettings(values);
  return { settings: values, sources, file, rest };
}

/** Completes settings given in code with the defaults, under the same checks as a file. */
export function hubSettingsOf(given: Partial<HubSettings>): HubSettings {
  const { values } = loadSettings(hubSettings, { file: { name: "settings", content: given } });
  assertHubSettings(values);
  return values;
}

/** A secret from its file, without surrounding white space. Throws `config-invalid` when it is missing or empty. */
export function readSecret(setting: string, file: string): string {
  const secret = readText(setting, file, SECRET_BYTES_MAX).trim();
  if (secret === "") throw configInvalid([`${setting}: the file is empty`]);
  return secret;
}

/** The text of a file named by a setting. Throws `config-invalid` when it cannot be read. */
export function readText(setting: string, file: string, bytesMax = FILE_BYTES_MAX): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw configInvalid([`${setting}: cannot read ${file} (${systemCode(error)})`]);
  }
  if (text.length > bytesMax) throw configInvalid([`${setting}: ${file} is larger than ${bytesMax} bytes`]);
  return text;
}

function parseFile(file: string): unknown {
  const text = readText("config", file);
  try {
    // JSON is a subset of YAML 1.2. Few aliases are allowed, so that a small file cannot grow without bound.
    return parse(text, { maxAliasCount: 20 });
  } catch (error) {
    // The parser's message quotes the text, which may hold what should not be shown; its place is enough.
    const place = error instanceof Error ? (/at line \d+, column \d+/.exec(error.message)?.[0] ?? "") : "";
    throw configInvalid([`config: ${file} is not valid YAML or JSON ${place}`.trim()]);
  }
}

function assertHubSettings(settings: HubSettings): void {
  const problems = hubSettingProblems(settings);
  if (problems.length > 0) throw configInvalid(problems);
}

function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unreadable";
}
