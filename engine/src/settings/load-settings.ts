import { HayloftError } from "../error/hayloft-error.ts";
import { nearestName } from "./nearest-name.ts";
import { parseFlags } from "./parse-flags.ts";
import { readValue } from "./read-value.ts";
import type { SettingKeys, SettingValues, SettingsDefinition } from "./setting.ts";
import { envOf } from "./setting.ts";

export interface SettingsInput {
  /** Arguments after the program's name. */
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The configuration file as its YAML or JSON parser read it, with its name for messages. */
  readonly file?: { readonly name: string; readonly content: unknown } | null;
}

export type SettingSource = "default" | "file" | "environment" | "flag";

export interface LoadedSettings<Keys extends SettingKeys> {
  readonly values: SettingValues<Keys>;
  /** Where each value came from, for `config check`. */
  readonly sources: Readonly<Record<keyof Keys & string, SettingSource>>;
  /** Arguments that are no setting: commands and their own options. */
  readonly rest: readonly string[];
}

interface Found {
  readonly raw: unknown;
  readonly source: SettingSource;
  /** The name by which it was set, for messages. */
  readonly name: string;
}

/** The configuration file that flags or environment name (`--config`, `PREFIX_CONFIG`), or null. */
export function configFileOf(definition: SettingsDefinition, input: SettingsInput): string | null {
  const flag = parseFlags(definition, input.argv ?? []).values.get("config");
  return flag ?? input.env?.[`${definition.envPrefix}_CONFIG`] ?? null;
}

/**
 * Reads all settings: a flag beats the environment, which beats the file, which beats the default. Pure: nothing is read
 * but `input`. Throws `config-invalid` with every problem found at once: unknown names (in the file, and in the environment
 * under the prefix), wrong values, missing required settings.
 */
export function loadSettings<Keys extends SettingKeys>(
  definition: SettingsDefinition<Keys>,
  input: SettingsInput,
): LoadedSettings<Keys> {
  const flags = parseFlags(definition, input.argv ?? []);
  const problems = [...flags.problems];
  const found = new Map<string, Found>();
  readFile(definition, input.file ?? null, found, problems);
  readEnvironment(definition, input.env ?? {}, found, problems);
  for (const [key, raw] of flags.values) {
    if (key !== "config") found.set(key, { raw, source: "flag", name: "flag" });
  }
  const values: Record<string, unknown> = {};
  const sources: Record<string, SettingSource> = {};
  for (const [key, setting] of Object.entries(definition.settings)) {
    const item = found.get(key);
    sources[key] = item?.source ?? "default";
    values[key] = setting.default;
    if (item !== undefined) {
      const read = readValue(setting, item.raw);
      if ("problem" in read) problems.push(`${key}: ${read.problem} (${item.name})`);
      else values[key] = read.value;
    } else if (setting.required === true && setting.default === null) {
      problems.push(`${key}: is required (${settingNames(definition, key)})`);
    }
  }
  if (problems.length > 0) throw configInvalid(problems);
  return { values: values as SettingValues<Keys>, sources: sources as LoadedSettings<Keys>["sources"], rest: flags.rest };
}

/** The error for problems with a configuration, also those an application finds itself between several settings. */
export function configInvalid(problems: readonly string[], cause?: unknown): HayloftError {
  return new HayloftError("config-invalid", { problems: problems.join("; ") }, cause);
}

/** The ways to set a setting, for messages. */
function settingNames(definition: SettingsDefinition, key: string): string {
  const setting = definition.settings[key];
  const flag = setting?.flag ?? `--${key.replaceAll(/[._]/g, "-")}`;
  return `${flag}, ${envOf(definition, key)} or ${key} in the file`;
}

function readFile(
  definition: SettingsDefinition,
  file: { readonly name: string; readonly content: unknown } | null,
  found: Map<string, Found>,
  problems: string[],
): void {
  // An empty file, or one with comments only, parses to null or undefined.
  if (file === null || file.content === null || file.content === undefined) return;
  if (!isRecord(file.content)) {
    problems.push(`${file.name}: must hold keys and values`);
    return;
  }
  const keys = Object.keys(definition.settings);
  const sections = new Set(keys.flatMap((key) => prefixesOf(key)));
  const visit = (node: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [name, raw] of Object.entries(node)) {
      const key = prefix === "" ? name : `${prefix}.${name}`;
      if (Object.hasOwn(definition.settings, key)) {
        // A key without a value is the same as no key, so that a commented-out value does not fail.
        if (raw !== null && raw !== undefined) found.set(key, { raw, source: "file", name: file.name });
      } else if (sections.has(key) && isRecord(raw)) {
        visit(raw, key);
      } else if (!sections.has(key) || (raw !== null && raw !== undefined)) {
        problems.push(`${key}: is not a setting${meant(key, keys)} (${file.name})`);
      }
    }
  };
  visit(file.content, "");
}

function readEnvironment(
  definition: SettingsDefinition,
  env: Readonly<Record<string, string | undefined>>,
  found: Map<string, Found>,
  problems: string[],
): void {
  const byName = new Map(Object.keys(definition.settings).map((key) => [envOf(definition, key), key]));
  for (const [name, key] of byName) {
    const raw = env[name];
    // An empty variable is how container files say "not set".
    if (raw !== undefined && raw !== "") found.set(key, { raw, source: "environment", name });
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith(`${definition.envPrefix}_`) || byName.has(name) || name === `${definition.envPrefix}_CONFIG`) continue;
    problems.push(`${name}: is not a setting${meant(name, [...byName.keys()])} (environment)`);
  }
}

function meant(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  return nearest === null ? "" : `, did you mean ${nearest}?`;
}

function prefixesOf(key: string): readonly string[] {
  const parts = key.split(".");
  return parts.slice(0, -1).map((_part, index) => parts.slice(0, index + 1).join("."));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
