import { readFileSync } from "node:fs";
import { codeOf, commandsOf } from "@hayloft/engine/testing";
import { expect, it } from "vitest";
import { edgeSettings } from "../settings/edge-settings.ts";
import { edgeConfigOf } from "../settings/load-edge-config.ts";
import type { CliPort } from "./cli-port.ts";
import { edgeProgram } from "./edge-program.ts";

const page = (name: string): string => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

it("every command and setting of the edge that the pages for operators name exists", () => {
  const port: CliPort = {
    env: {},
    print: () => undefined,
    printError: () => undefined,
    readInput: async () => await Promise.resolve(""),
    untilSignal: async () => await Promise.resolve("SIGTERM"),
  };
  const loaded = { config: edgeConfigOf({ data_dir: "." }), sources: {}, rest: [] };
  const program = edgeProgram(loaded, port, () => undefined);
  const text = `${page("docs/operations.md")}\n${page("README.md")}`;
  const { known, unknown } = commandsOf(text, program, Object.keys(edgeSettings.settings));
  expect(unknown).toEqual([]);
  expect(known.length).toBeGreaterThan(8);
  const settings = codeOf(text).filter((code) => /^(?:backup|image|ingress|broker)\.[a-z_]+(?:=\S+)?$/.test(code));
  expect(settings.filter((code) => !((code.split("=")[0] ?? "") in edgeSettings.settings))).toEqual([]);
  expect(settings.length).toBeGreaterThan(5);
});
