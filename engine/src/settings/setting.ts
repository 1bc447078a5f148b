import { HayloftError } from "../error/hayloft-error.ts";

interface SettingBase {
  /** What it does, one sentence for help and documentation. */
  readonly about: string;
  /** The start is refused when nothing sets it. Only meaningful with the default null. */
  readonly required?: true;
  /** Default: `--` and the key with dashes, for example `--mqtt-url`. */
  readonly flag?: string;
  /** Default: the prefix and the key in capitals, for example `HAYLOFT_EDGE_MQTT_URL`. */
  readonly env?: string;
}

interface TextSetting extends SettingBase {
  /** `path`: a file or directory. `secretFile`: a file that holds a secret; the secret itself is never a setting. */
  readonly type: "text" | "path" | "secretFile";
  readonly default: string | null;
  readonly lengthMax?: number;
}

interface UrlSetting extends SettingBase {
  readonly type: "url";
  readonly default: string | null;
  /** Without the colon, for example `["ws", "wss"]`. */
  readonly schemes: readonly string[];
}

interface ChoiceSetting extends SettingBase {
  readonly type: "choice";
  readonly default: string | null;
  readonly choices: readonly string[];
}

interface NumberSetting extends SettingBase {
  readonly type: "integer" | "number";
  readonly default: number | null;
  readonly min?: number;
  readonly max?: number;
}

interface BooleanSetting extends SettingBase {
  readonly type: "boolean";
  readonly default: boolean;
}

interface ListSetting extends SettingBase {
  /** Texts: a sequence in a file, comma separated in the environment, comma separated or repeated as a flag. */
  readonly type: "list";
  readonly default: readonly string[];
  readonly itemsMax?: number;
}

/** One setting: the only place where its name, type, default and meaning are written. */
export type Setting = TextSetting | UrlSetting | ChoiceSetting | NumberSetting | BooleanSetting | ListSetting;

export type SettingKeys = Readonly<Record<string, Setting>>;

type Nullable<Value, Of extends Setting> = Of extends { readonly required: true }
  ? Value
  : Of["default"] extends null
    ? Value | null
    : Value;

/** The value of a setting after loading. */
export type SettingValue<Of extends Setting> = Of extends BooleanSetting
  ? boolean
  : Of extends ListSetting
    ? readonly string[]
    : Of extends NumberSetting
      ? Nullable<number, Of>
      : Of extends ChoiceSetting
        ? Nullable<Of["choices"][number], Of>
        : Nullable<string, Of>;

export type SettingValues<Keys extends SettingKeys> = { readonly [Key in keyof Keys]: SettingValue<Keys[Key]> };

export interface SettingsDefinition<Keys extends SettingKeys = SettingKeys> {
  readonly envPrefix: string;
  readonly settings: Keys;
}

const KEY = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;

/**
 * Declares settings as data: flags, environment names, keys of the configuration file, help and validation follow from it.
 * Keys are snake_case with dots for nesting (`mqtt.url` is `mqtt: { url: … }` in the file). `config` is reserved for the
 * configuration file itself. Throws `config-invalid` when two settings share a name: a mistake of the program.
 */
export function defineSettings<const Keys extends SettingKeys>(envPrefix: string, settings: Keys): SettingsDefinition<Keys> {
  const definition = { envPrefix, settings };
  const taken = new Set(["--config", `${envPrefix}_CONFIG`]);
  for (const [key, setting] of Object.entries(settings)) {
    if (!KEY.test(key)) throw new HayloftError("config-invalid", { setting: key, problem: "the key is not snake_case" });
    for (const name of [flagOf(key, setting), envOf(definition, key)]) {
      if (taken.has(name)) throw new HayloftError("config-invalid", { setting: key, problem: `the name ${name} is taken` });
      taken.add(name);
    }
  }
  return definition;
}

/** The command line flag of a setting, for example `--mqtt-url`. */
export function flagOf(key: string, setting: Setting): string {
  return setting.flag ?? `--${key.replaceAll(/[._]/g, "-")}`;
}

/** The environment variable of a setting, for example `HAYLOFT_EDGE_MQTT_URL`. */
export function envOf(definition: SettingsDefinition, key: string): string {
  return definition.settings[key]?.env ?? `${definition.envPrefix}_${key.replaceAll(".", "_").toUpperCase()}`;
}
