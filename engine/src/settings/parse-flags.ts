import type { SettingsDefinition } from "./setting.ts";
import { flagOf } from "./setting.ts";

export interface ParsedFlags {
  /** Raw text per setting key; `config` is the configuration file. */
  readonly values: ReadonlyMap<string, string>;
  /** Arguments that are no setting, in order: commands, their arguments and their own options. */
  readonly rest: readonly string[];
  readonly problems: readonly string[];
}

interface Flag {
  readonly key: string;
  readonly type: string;
  /** The value a boolean flag stands for. */
  readonly means: "true" | "false";
}

/**
 * Takes the flags of the settings out of a command line, wherever they stand: `--mqtt-url X`, `--mqtt-url=X`, `--insecure`,
 * `--no-insecure`. Everything after `--` is left alone. What is no setting is returned in `rest` for a command parser.
 */
export function parseFlags(definition: SettingsDefinition, argv: readonly string[]): ParsedFlags {
  const flags = flagsOf(definition);
  const values = new Map<string, string>();
  const rest: string[] = [];
  const problems: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    if (argument === "--") {
      rest.push(...argv.slice(index));
      break;
    }
    const equals = argument.startsWith("--") ? argument.indexOf("=") : -1;
    const name = equals < 0 ? argument : argument.slice(0, equals);
    const flag = flags.get(name);
    if (flag === undefined) {
      rest.push(argument);
      continue;
    }
    if (equals >= 0) {
      put(values, problems, name, flag, argument.slice(equals + 1));
    } else if (flag.type === "boolean") {
      put(values, problems, name, flag, flag.means);
    } else {
      const next = argv[index + 1];
      if (next === undefined || next.startsWith("--")) problems.push(`${name}: needs a value`);
      else put(values, problems, name, flag, next);
      if (next !== undefined && !next.startsWith("--")) index++;
    }
  }
  return { values, rest, problems };
}

function flagsOf(definition: SettingsDefinition): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>([["--config", { key: "config", type: "path", means: "true" }]]);
  for (const [key, setting] of Object.entries(definition.settings)) {
    const name = flagOf(key, setting);
    flags.set(name, { key, type: setting.type, means: "true" });
    if (setting.type === "boolean") flags.set(name.replace(/^--/, "--no-"), { key, type: setting.type, means: "false" });
  }
  return flags;
}

function put(values: Map<string, string>, problems: string[], name: string, flag: Flag, text: string): void {
  const before = values.get(flag.key);
  if (before === undefined) values.set(flag.key, text);
  else if (flag.type === "list") values.set(flag.key, `${before},${text}`);
  else problems.push(`${name}: is given twice`);
}
