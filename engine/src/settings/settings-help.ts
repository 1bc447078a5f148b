import type { Setting, SettingsDefinition } from "./setting.ts";
import { envOf, flagOf } from "./setting.ts";

const INDENT = 30;
const WIDTH = 100;

/** The settings part of `--help`: flag, meaning, default, and the environment name of each. Ends with a newline. */
export function settingsHelp(definition: SettingsDefinition): string {
  const lines = ["Settings (flag, environment variable, or key of the configuration file):"];
  lines.push(...entry("--config <path>", `Configuration file, YAML or JSON. [env ${definition.envPrefix}_CONFIG]`));
  for (const [key, setting] of Object.entries(definition.settings)) {
    const flag = setting.type === "boolean" ? flagOf(key, setting) : `${flagOf(key, setting)} <${placeholderOf(setting)}>`;
    lines.push(...entry(flag, `${setting.about} ${defaultText(setting)}[env ${envOf(definition, key)}, file ${key}]`));
  }
  return `${lines.join("\n")}\n`;
}

/** The same as a Markdown table, for generated documentation. */
export function settingsMarkdown(definition: SettingsDefinition): string {
  const rows = Object.entries(definition.settings).map(
    ([key, setting]) =>
      `| \`${key}\` | ${placeholderOf(setting)} | ${shownDefault(setting)} | \`${flagOf(key, setting)}\` | \`${envOf(definition, key)}\` | ${setting.about} |`,
  );
  return ["| Key in the file | Type | Default | Flag | Environment | Meaning |", "|---|---|---|---|---|---|", ...rows, ""].join(
    "\n",
  );
}

const PLACEHOLDERS: Readonly<Partial<Record<Setting["type"], string>>> = {
  secretFile: "path of a secret",
  integer: "whole number",
  list: "text, …",
};

function placeholderOf(setting: Setting): string {
  return setting.type === "choice" ? setting.choices.join(", ") : (PLACEHOLDERS[setting.type] ?? setting.type);
}

function shownDefault(setting: Setting): string {
  if (setting.default === null) return setting.required === true ? "required" : "–";
  if (typeof setting.default === "object") return setting.default.length === 0 ? "–" : setting.default.join(",");
  return String(setting.default);
}

function defaultText(setting: Setting): string {
  const shown = shownDefault(setting);
  if (shown === "required") return "Required. ";
  return shown === "–" ? "" : `Default: ${shown}. `;
}

function entry(left: string, text: string): readonly string[] {
  const head = `  ${left}`;
  const wrapped = wrap(text, WIDTH - INDENT);
  const first =
    head.length < INDENT ? [head.padEnd(INDENT) + (wrapped[0] ?? "")] : [head, " ".repeat(INDENT) + (wrapped[0] ?? "")];
  return [...first, ...wrapped.slice(1).map((line) => " ".repeat(INDENT) + line)];
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
