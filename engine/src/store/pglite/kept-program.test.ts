import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { BRIEF_NODE } from "../../testing/brief-node.ts";
import { tempDir } from "../../testing/temp-dir.ts";
import { programFile } from "./installed-pglite.ts";
import { programIn } from "./kept-program.ts";

const run = promisify(execFile);
const training = path.resolve(import.meta.dirname, "../../testing/training-program.js");
const reading = `import { readFileSync } from "node:fs";
import { programIn } from ${JSON.stringify(new URL("./kept-program.js", import.meta.url).href)};
console.log(programIn(readFileSync(process.argv[1]), readFileSync(process.argv[2])) === null ? "refused" : "taken");`;

it("code that V8 gave is taken by a process of the same Node, refused under other flags and when a byte of it is damaged", async () => {
  const draft = path.join(await tempDir(), "code");
  await run(process.execPath, [training, draft]);
  const readUnder = async (flags: readonly string[]): Promise<string> =>
    (await run(process.execPath, [...flags, "--input-type=module", "--eval", reading, draft, programFile()])).stdout.trim();
  expect(await readUnder([])).toBe("taken");
  expect(await readUnder(BRIEF_NODE)).toBe("refused");

  const [kept, source] = [readFileSync(draft), readFileSync(programFile())];
  kept.writeUInt8(kept.readUInt8(kept.length >> 1) ^ 1, kept.length >> 1);
  expect(programIn(kept, source)).toBeNull();
  expect(programIn(kept.subarray(0, 1_000), source)).toBeNull();
  expect(programIn(new Uint8Array(0), source)).toBeNull();
});
