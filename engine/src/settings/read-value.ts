import type { Setting } from "./setting.ts";

/** What a setting holds after reading; `problem` says what is wrong with the input, without the setting's name. */
export type ReadValue = { readonly value: string | number | boolean | readonly string[] } | { readonly problem: string };

const TEXT_LENGTH_MAX = 4096;
const LIST_ITEMS_MAX = 1000;
const WHOLE = /^[+-]?\d{1,15}$/;
const DECIMAL = /^[+-]?(\d{1,15}(\.\d{1,15})?|\.\d{1,15})$/;
const YES = new Set(["true", "yes", "on", "1"]);
const NO = new Set(["false", "no", "off", "0"]);

/** Checks one value against its setting. `raw` is text (flag, environment) or what a YAML or JSON parser made of it. */
export function readValue(setting: Setting, raw: unknown): ReadValue {
  if (setting.type === "boolean") return readBoolean(raw);
  if (isNumeric(setting)) return readNumber(setting, raw);
  if (setting.type === "list") return readList(raw, setting.itemsMax ?? LIST_ITEMS_MAX);
  if (setting.type === "choice") return readChoice(setting.choices, raw);
  if (setting.type === "url") return readUrl(setting.schemes, raw);
  return readText(raw, setting.lengthMax ?? TEXT_LENGTH_MAX);
}

type NumericSetting = Extract<Setting, { readonly type: "integer" | "number" }>;

const isNumeric = (setting: Setting): setting is NumericSetting => setting.type === "integer" || setting.type === "number";

function readBoolean(raw: unknown): ReadValue {
  if (typeof raw === "boolean") return { value: raw };
  const text = typeof raw === "string" ? raw.trim().toLowerCase() : "";
  if (YES.has(text)) return { value: true };
  if (NO.has(text)) return { value: false };
  return { problem: "must be true or false" };
}

function readNumber(setting: NumericSetting, raw: unknown): ReadValue {
  const kind = setting.type === "integer" ? "a whole number" : "a number";
  const pattern = setting.type === "integer" ? WHOLE : DECIMAL;
  const text = typeof raw === "number" ? String(raw) : typeof raw === "string" ? raw.trim() : "";
  if (!pattern.test(text)) return { problem: `must be ${kind}` };
  const value = Number(text);
  if (setting.min !== undefined && value < setting.min) return { problem: `must be at least ${setting.min}` };
  if (setting.max !== undefined && value > setting.max) return { problem: `must be at most ${setting.max}` };
  return { value };
}

function readList(raw: unknown, itemsMax: number): ReadValue {
  const parts: unknown[] =
    typeof raw === "string" ? raw.split(",").map((part) => part.trim()) : Array.isArray(raw) ? raw : [null];
  const items = parts.filter((part) => part !== "");
  if (!items.every((item) => typeof item === "string")) return { problem: "must be a list of texts" };
  if (items.length > itemsMax) return { problem: `must have at most ${itemsMax} items` };
  return { value: items };
}

function readChoice(choices: readonly string[], raw: unknown): ReadValue {
  if (typeof raw === "string" && choices.includes(raw.trim())) return { value: raw.trim() };
  return { problem: `must be one of ${choices.join(", ")}` };
}

function readUrl(schemes: readonly string[], raw: unknown): ReadValue {
  const allowed = `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  if (typeof raw !== "string" || raw.length > TEXT_LENGTH_MAX || !URL.canParse(raw)) return { problem: allowed };
  return schemes.includes(new URL(raw).protocol.slice(0, -1)) ? { value: raw } : { problem: allowed };
}

function readText(raw: unknown, lengthMax: number): ReadValue {
  if (typeof raw === "number" || typeof raw === "boolean") return { problem: "must be text; put it in quotes" };
  if (typeof raw !== "string") return { problem: "must be text" };
  if (raw === "") return { problem: "must not be empty" };
  if (raw.includes("\0")) return { problem: "must not hold a null character" };
  return raw.length <= lengthMax ? { value: raw } : { problem: `must have at most ${lengthMax} characters` };
}
