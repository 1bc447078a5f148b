import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { loadSettings } from "@hayloft/engine";
import { changedSettings } from "@hayloft/engine/testing";
import { expect, it } from "vitest";
import { hubSettings } from "./hub-settings.ts";

it("T-C11 P-E4 every setting is read by the hub, outside the module that declares it", async () => {
  const source = path.resolve(import.meta.dirname, "../../src");
  const names = (await readdir(source, { recursive: true })).filter(
    (name) => name.endsWith(".ts") && !/\.test\.ts$|config\/hub-settings\.ts$|testing\//.test(name),
  );
  const text = (await Promise.all(names.map((name) => readFile(path.join(source, name), "utf8")))).join("\n");
  const unread = Object.keys(hubSettings.settings).filter(
    (key) => ![`settings["${key}"]`, `settings.${key}`, `"${key}": `].some((reading) => text.includes(reading)),
  );
  expect(unread).toEqual([]);
});

it.each(changedSettings(hubSettings))(
  "T-C11 P-E4 the setting $key can be changed from its default by file, environment and flag",
  ({ key, flag, env, value }) => {
    for (const input of [
      { file: { name: "test", content: { [key]: value } } },
      { env: { [env]: String(value) } },
      { argv: [`${flag}=${String(value)}`] },
    ]) {
      const values: Readonly<Record<string, unknown>> = loadSettings(hubSettings, input).values;
      expect(values[key]).toEqual(value);
      expect(loadSettings(hubSettings, {}).values).not.toMatchObject({ [key]: value });
    }
  },
);
