import type { Setting, SettingsDefinition } from "../settings/setting.ts";
import { envOf, flagOf } from "../settings/setting.ts";

export interface ChangedSetting {
  readonly key: string;
  readonly flag: string;
  readonly env: string;
  /** A valid value that is not the default. */
  readonly value: string | number | boolean | readonly string[];
}

/** Every setting of a program with a value other than its default, for tests that each can be changed. */
export function changedSettings(definition: SettingsDefinition): readonly ChangedSetting[] {
  return Object.entries(definition.settings).map(([key, setting]) => ({
    key,
    flag: flagOf(key, setting),
    env: envOf(definition, key),
    value: otherValue(setting),
  }));
}

function otherValue(setting: Setting): ChangedSetting["value"] {
  if (setting.type === "boolean") return !setting.default;
  if (setting.type === "choice") return setting.choices.find((choice) => choice !== setting.default) ?? "";
  if (setting.type === "url") return `${setting.schemes[0] ?? "https"}://elsewhere.example`;
  if (setting.type === "list") return ["another"];
  if (setting.type !== "integer" && setting.type !== "number") return "/another";
  const lowest = setting.min ?? 0;
  return setting.default === lowest ? lowest + 1 : lowest;
}
