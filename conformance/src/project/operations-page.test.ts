import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorCodes } from "@hayloft/engine";
import { codeOf } from "@hayloft/engine/testing";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const page = readFileSync(join(root, "docs/operations.md"), "utf8");

const sources = (): string =>
  ["engine", "edge-node", "cloud-hub", "schema"]
    .flatMap((name) =>
      readdirSync(join(root, name, "src"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts") && !/\.test\.ts$|(?:^|\/)testing\//.test(file))
        .map((file) => readFileSync(join(root, name, "src", file), "utf8")),
    )
    .join("\n");

it("every log event, error code, metric, path and table that the operator's page names is one that the programs write", () => {
  const all = sources();
  // Postgres' own names.
  const theirs = new Set(["pg_read_all_stats", "synchronous_commit"]);
  const names = codeOf(page).filter((code) => /^[/a-z][\w./-]*(?:\{\w+\})?$/.test(code) && !theirs.has(code));
  const isWritten = (name: string): boolean => {
    const plain = name.replace(/\{.*/, "").replace(/\/$/, "");
    if (plain in errorCodes) return true;
    return (
      all.includes(`"${plain}"`) || (/^hayloft\.\w+$/.test(plain) && all.includes(`TABLE ${plain} `)) || isProperty(all, plain)
    );
  };
  expect(names.filter((name) => !isWritten(name))).toEqual([]);
  expect(names.length).toBeGreaterThan(50);
});

/** What an operator reads as a name in JSON. */
const isProperty = (all: string, name: string): boolean =>
  /^[a-z]+[A-Z]\w*$/.test(name) ? new RegExp(`\\b${name}\\b`).test(all) : all.includes(`readonly ${name}: `);

it("each fault of storage, clocks, long life, the hub and the schema is on the operator's page", () => {
  const requirements = readFileSync(join(root, "docs/requirements.json"), "utf8");
  const faults = [...requirements.matchAll(/"(F-[ACDEF]\d+)":/g)].map(([, id = ""]) => id);
  const rows = [...page.matchAll(/^\| (F-[A-F]\d[^|]*) \|/gm)].map(([, cell = ""]) => cell);
  const named = rows.flatMap((cell) => {
    const [range, section = "", from, to] = /F-([A-F])(\d+) – F-[A-F](\d+)/.exec(cell) ?? [];
    if (range === undefined) return cell.match(/F-[A-F]\d+/g) ?? [];
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => `F-${section}${String(Number(from) + index)}`);
  });
  expect(faults.filter((id) => !named.includes(id))).toEqual([]);
  expect(faults.length).toBeGreaterThan(50);
});
