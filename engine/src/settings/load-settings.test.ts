import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { SettingsInput } from "./load-settings.ts";
import { configFileOf, loadSettings } from "./load-settings.ts";
import { defineSettings } from "./setting.ts";
import { settingsHelp, settingsMarkdown } from "./settings-help.ts";

const definition = defineSettings("TEST_APP", {
  data_dir: { type: "path", default: null, required: true, about: "Where data is." },
  "http.port": { type: "integer", default: 5100, min: 0, max: 65_535, about: "Port." },
  "http.admin_token_file": { type: "secretFile", default: null, about: "Token." },
  "mqtt.url": { type: "url", default: null, schemes: ["mqtt", "mqtts"], about: "Broker." },
  "mqtt.topics": { type: "list", default: [], itemsMax: 3, about: "Topics." },
  "log.level": { type: "choice", default: "info", choices: ["debug", "info"], about: "Level." },
  ratio: { type: "number", default: 0.5, min: 0, max: 1, about: "Ratio." },
  insecure: { type: "boolean", default: false, about: "No TLS." },
});

const load = (input: SettingsInput) => loadSettings(definition, input);

function problemsOf(input: SettingsInput): string {
  try {
    load(input);
  } catch (error) {
    if (isHayloftError(error, "config-invalid")) return String(error.details["problems"]);
    throw error;
  }
  return "";
}

describe("loadSettings", () => {
  it("gives defaults, typed, when only the required setting is given", () => {
    const { values, sources, rest } = load({ argv: ["--data-dir", "/d"] });
    const port: number = values["http.port"];
    const dir: string = values.data_dir;
    const url: string | null = values["mqtt.url"];
    const level: "debug" | "info" = values["log.level"];
    expect([port, dir, url, level, values.insecure, values["mqtt.topics"]]).toEqual([5100, "/d", null, "info", false, []]);
    expect(sources.data_dir).toBe("flag");
    expect(sources["http.port"]).toBe("default");
    expect(rest).toEqual([]);
  });

  it("lets a flag beat the environment, which beats the file", () => {
    const file = { name: "a.yaml", content: { data_dir: "/f", http: { port: 1 }, ratio: 0.25 } };
    const env = { TEST_APP_HTTP_PORT: "2", TEST_APP_DATA_DIR: "/e", TEST_APP_RATIO: "" };
    const { values, sources } = load({ argv: ["--http-port=3"], env, file });
    expect([values["http.port"], values.data_dir, values.ratio]).toEqual([3, "/e", 0.25]);
    expect([sources["http.port"], sources.data_dir, sources.ratio]).toEqual(["flag", "environment", "file"]);
  });

  it("takes settings from anywhere in the command line and leaves the rest in order", () => {
    const { values, rest } = load({
      argv: ["tenant", "--data-dir", "/d", "create", "--name", "A", "--insecure", "--", "--http-port", "9"],
    });
    expect(values.insecure).toBe(true);
    expect(values["http.port"]).toBe(5100);
    expect(rest).toEqual(["tenant", "create", "--name", "A", "--", "--http-port", "9"]);
  });

  it("reads booleans, lists and negated flags in all three places", () => {
    expect(load({ argv: ["--no-insecure"], env: { TEST_APP_DATA_DIR: "d", TEST_APP_INSECURE: "yes" } }).values.insecure).toBe(
      false,
    );
    expect(load({ env: { TEST_APP_DATA_DIR: "d", TEST_APP_MQTT_TOPICS: "a, b," } }).values["mqtt.topics"]).toEqual(["a", "b"]);
    expect(load({ argv: ["--data-dir=d", "--mqtt-topics", "a", "--mqtt-topics=b"] }).values["mqtt.topics"]).toEqual(["a", "b"]);
    expect(load({ file: { name: "f", content: { data_dir: "d", mqtt: { topics: ["x"] } } } }).values["mqtt.topics"]).toEqual([
      "x",
    ]);
  });

  it("names the configuration file from the flag or the environment", () => {
    expect(configFileOf(definition, { argv: ["run", "--config", "a.yaml"], env: { TEST_APP_CONFIG: "b.yaml" } })).toBe("a.yaml");
    expect(configFileOf(definition, { env: { TEST_APP_CONFIG: "b.yaml" } })).toBe("b.yaml");
    expect(configFileOf(definition, {})).toBeNull();
  });

  it.each<readonly [string, SettingsInput, string]>([
    ["a missing required setting", {}, "data_dir: is required (--data-dir, TEST_APP_DATA_DIR or data_dir in the file)"],
    [
      "an unknown key",
      { file: { name: "f.yaml", content: { mqtt: { urll: "x" } } } },
      "mqtt.urll: is not a setting, did you mean mqtt.url? (f.yaml)",
    ],
    ["an unknown section", { file: { name: "f.yaml", content: { zebra: { a: 1 } } } }, "zebra: is not a setting (f.yaml)"],
    ["a section that is no section", { file: { name: "f.yaml", content: { mqtt: 5 } } }, "mqtt: is not a setting"],
    ["a file that is a list", { file: { name: "f.yaml", content: [1] } }, "f.yaml: must hold keys and values"],
    [
      "an unknown variable",
      { env: { TEST_APP_HTTP_PROT: "1" } },
      "TEST_APP_HTTP_PROT: is not a setting, did you mean TEST_APP_HTTP_PORT? (environment)",
    ],
    [
      "a port that is no number",
      { env: { TEST_APP_HTTP_PORT: "80a" } },
      "http.port: must be a whole number (TEST_APP_HTTP_PORT)",
    ],
    ["a port out of range", { argv: ["--http-port", "65536"] }, "http.port: must be at most 65535 (flag)"],
    [
      "a fraction for a whole number",
      { file: { name: "f", content: { http: { port: 1.5 } } } },
      "http.port: must be a whole number",
    ],
    ["an infinite number", { file: { name: "f", content: { ratio: Number.POSITIVE_INFINITY } } }, "ratio: must be a number"],
    ["a wrong choice", { argv: ["--log-level", "loud"] }, "log.level: must be one of debug, info"],
    ["a wrong scheme", { argv: ["--mqtt-url", "http://x"] }, "mqtt.url: must be a URL that starts with mqtt:// or mqtts://"],
    ["a wrong boolean", { argv: ["--insecure=perhaps"] }, "insecure: must be true or false"],
    [
      "an unquoted number for text",
      { file: { name: "f", content: { data_dir: 5 } } },
      "data_dir: must be text; put it in quotes",
    ],
    ["a list with numbers", { file: { name: "f", content: { mqtt: { topics: [1] } } } }, "mqtt.topics: must be a list of texts"],
    ["a list that is too long", { argv: ["--mqtt-topics", "a,b,c,d"] }, "mqtt.topics: must have at most 3 items"],
    ["a flag without its value", { argv: ["--http-port"] }, "--http-port: needs a value"],
    ["a flag whose value is a flag", { argv: ["--data-dir", "--insecure"] }, "--data-dir: needs a value"],
    ["a flag given twice", { argv: ["--http-port", "1", "--http-port", "2"] }, "--http-port: is given twice"],
    ["an empty flag", { argv: ["--data-dir="] }, "data_dir: must not be empty"],
  ])("refuses %s", (_what, input, problem) => {
    expect(problemsOf(input)).toContain(problem);
  });

  it("reports every problem at once and never repeats a value", () => {
    const problems = problemsOf({
      argv: ["--http-port", "s3cret", "--log-level=s3cret"],
      file: { name: "f", content: { hello: "s3cret" } },
    });
    expect(problems.split("; ")).toHaveLength(4);
    expect(problems).not.toContain("s3cret");
  });

  it("never throws anything but config-invalid, whatever the input", () => {
    const argument = fc.oneof(fc.string(), fc.constantFrom("--data-dir", "--http-port", "--insecure=", "--", "--config", "-x"));
    fc.assert(
      fc.property(fc.array(argument), fc.dictionary(fc.string(), fc.string()), fc.anything(), (argv, env, content) => {
        expect(typeof problemsOf({ argv, env, file: { name: "f", content } })).toBe("string");
      }),
    );
  });
});

describe("defineSettings", () => {
  it("refuses two settings with one name, and a key that is not snake_case", () => {
    const two = () =>
      defineSettings("A", {
        "x.y": { type: "boolean", default: false, about: "" },
        x_y: { type: "boolean", default: false, about: "" },
      });
    expect(two).toThrow("the name --x-y is taken");
    expect(() => defineSettings("A", { xY: { type: "boolean", default: false, about: "" } })).toThrow("not snake_case");
    expect(() => defineSettings("A", { config: { type: "path", default: null, about: "" } })).toThrow("--config is taken");
  });
});

describe("settingsHelp", () => {
  it("shows flag, default, environment and key of each setting within 100 columns", () => {
    const help = settingsHelp(definition);
    expect(help).toContain("--http-port <whole number>");
    expect(help.replaceAll(/\s+/g, " ")).toContain("Port. Default: 5100. [env TEST_APP_HTTP_PORT, file http.port]");
    expect(help.split("\n").every((line) => line.length <= 100)).toBe(true);
    expect(settingsMarkdown(definition)).toContain(
      "| `data_dir` | path | required | `--data-dir` | `TEST_APP_DATA_DIR` | Where data is. |",
    );
  });
});
