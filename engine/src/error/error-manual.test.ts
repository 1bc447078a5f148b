import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorCodes } from "./error-codes.ts";
import { errorManual } from "./error-manual.ts";
import { HayloftError } from "./hayloft-error.ts";

describe("error manual", () => {
  it("docs/errors.md is what `node tools/write-error-manual.js` writes", () => {
    expect(readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8")).toBe(errorManual());
  });

  it("every code says in whole sentences what happened and what to do", () => {
    for (const [code, { what, todo }] of Object.entries(errorCodes)) {
      expect([code, /^[A-Z].*\.$/.test(what), /^[A-Z].*\.$/.test(todo)]).toEqual([code, true, true]);
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    }
  });

  it("an error's message names its code, both sentences and its details", () => {
    const error = new HayloftError("frame-invalid", { path: "slice" });
    expect(error.message).toBe(
      `frame-invalid: ${errorCodes["frame-invalid"].what} ${errorCodes["frame-invalid"].todo} (path=slice)`,
    );
  });
});
