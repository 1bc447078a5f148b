import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, realpath, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { prepareDirectory } from "@hayloft/engine/testing";
import { preparedFarm } from "@hayloft/schema/testing";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { TENANT, temporaryDirectory } from "../testing/edge-fixture.ts";
import { EdgeProcess, freePort } from "../testing/edge-process.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const ofEngine = createRequire(require.resolve("@hayloft/engine"));
const edgeNode = path.resolve(import.meta.dirname, "../..");

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let program: string;
beforeAll(async () => {
  directory = await temporaryDirectory();
  program = await install(await realpath(directory.path));
});
afterAll(async () => await directory.remove());

/** An installation of its own: what it keeps, no other program of this machine finds. Returns its program. */
async function install(root: string): Promise<string> {
  const pglite = path.dirname(path.dirname(ofEngine.resolve("@electric-sql/pglite")));
  const modules = path.join(root, "node_modules");
  await mkdir(path.join(modules, "@electric-sql"), { recursive: true });
  await cp(pglite, path.join(modules, "@electric-sql/pglite"), { recursive: true, filter: (file) => !file.endsWith(".map") });
  await symlink(path.dirname(path.dirname(require.resolve("sharp"))), path.join(modules, "sharp"));
  // The image of an empty database, which takes seconds to make, when there is one already.
  const image = path.join(path.dirname(path.dirname(pglite)), ".cache/hayloft");
  if (existsSync(image)) {
    await cp(image, path.join(modules, ".cache/hayloft"), { recursive: true, filter: (file) => !file.endsWith(".code") });
  }
  for (const part of ["bin", "bundle", "package.json"]) {
    await cp(path.join(edgeNode, part), path.join(root, "edge-node", part), { recursive: true });
  }
  return path.join(root, "edge-node/bin/hayloft-edge.js");
}

/** Starts and stops a daemon of the installation, and returns what its first word says of kept code. */
async function startedWith(): Promise<unknown> {
  const dataDir = path.join(directory.path, "data");
  await prepareDirectory(path.join(dataDir, "database"), preparedFarm("edge"));
  const [mqttPort, httpPort] = [await freePort(), await freePort()];
  const node = ["--data-dir", dataDir, "--mode", "standalone", "--tenant-id", TENANT];
  const ports = ["--broker-anonymous", "--broker-port", String(mqttPort), "--http-port", String(httpPort)];
  const daemon = new EdgeProcess([...node, ...ports], { program });
  await daemon.ready(httpPort);
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
  const started = daemon.output.split("\n").find((line) => line.includes('"event":"edge-started"')) ?? "{}";
  return (JSON.parse(started) as Record<string, unknown>)["keptCode"];
}

it("prepare keeps a file once, daemons start on it, and on one that is damaged or foreign they start as without", async () => {
  const prepare = async (): Promise<string> => (await run(process.execPath, [program, "prepare", "--brief"])).stdout;
  const said = await prepare();
  const file = /^kept: (.+\.code)\n$/u.exec(said)?.[1] ?? "";
  const cache = path.join(await realpath(directory.path), "node_modules/.cache/hayloft");
  expect([said, path.dirname(file)]).toEqual([`kept: ${file}\n`, cache]);
  expect((await readdir(cache)).filter((name) => name.endsWith(".code"))).toEqual([path.basename(file)]);
  expect(await prepare()).toBe(`kept already: ${file}\n`);
  expect(await startedWith()).toBe(true);

  const kept = await readFile(file);
  const damaged = Buffer.from(kept);
  damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 1, damaged.length >> 1);
  await writeFile(file, damaged);
  expect(await startedWith()).toBe(false);

  // Whole, but what no V8 wrote.
  const foreign = Buffer.alloc(4_096, "another program's");
  await writeFile(file, Buffer.concat([createHash("sha256").update(foreign).digest(), foreign]));
  expect(await startedWith()).toBe(false);

  await writeFile(file, kept);
  expect(await prepare()).toBe(`kept already: ${file}\n`);
});
