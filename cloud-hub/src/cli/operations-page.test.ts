import { readFileSync } from "node:fs";
import { codeOf, commandsOf } from "@hayloft/engine/testing";
import { expect, it } from "vitest";
import { hubSettings } from "../config/hub-settings.ts";
import { hubSettingsOf } from "../config/load-hub-settings.ts";
import { CommandContext } from "./command-context.ts";
import { hubProgram } from "./hub-program.ts";

const page = (name: string): string => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

it("every command and setting of the hub that the pages for operators name exists", () => {
  const output = { out: () => undefined, err: () => undefined };
  const context = new CommandContext({ settings: hubSettingsOf({}), sources: {}, file: null, rest: [] }, output.out);
  const text = `${page("docs/operations.md")}\n${page("README.md")}`;
  const { known, unknown } = commandsOf(text, hubProgram(context, output), Object.keys(hubSettings.settings));
  expect(unknown).toEqual([]);
  expect(known.length).toBeGreaterThan(5);
  const settings = codeOf(text).filter((code) => /^(?:images|database|watch)\.[a-z_]+(?:=\S+)?$/.test(code));
  expect(settings.filter((code) => !((code.split("=")[0] ?? "") in hubSettings.settings))).toEqual([]);
  expect(settings.length).toBeGreaterThan(4);
});
