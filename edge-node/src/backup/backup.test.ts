import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { newId } from "@hayloft/engine";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { edgeCommand } from "../cli/edge-command.ts";
import type { Edge } from "../daemon/start-edge.ts";
import { startEdge } from "../daemon/start-edge.ts";
import { messageOf } from "../testing/barn-fixture.ts";
import {
  connectDevice,
  countRows,
  firstBarn,
  publish,
  quietLog,
  standaloneConfig,
  startStandalone,
  temporaryDirectory,
  until,
} from "../testing/edge-fixture.ts";
import { EdgeProcess, freePort } from "../testing/edge-process.ts";
import { newKeyText, readBackupKey, type BackupKey } from "./backup-key.ts";
import { backupName, listBackups, pruneBackups, removeDrafts } from "./backup-files.ts";
import { type MadeBackup, makeBackup } from "./make-backup.ts";
import { restoreBackup } from "./restore-backup.ts";
import { checkUnpacked, readBackup, unpackBackup } from "./unpack-backup.ts";
import { writeArchive } from "./write-archive.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const barn = firstBarn();
const reading = (eventId: string) =>
  messageOf(
    barn,
    { kind: "telemetry", device_id: barn.sensor_device_ids[0] ?? "", metric: "temperature" },
    { eventId, payload: { value: 20 } },
    Date.now(),
  );

let root: Awaited<ReturnType<typeof temporaryDirectory>>;
let edge: Edge;
let key: BackupKey;
let made: MadeBackup;
const blob = `media/blobs/ab/ab${"0".repeat(62)}`;
const acknowledged = { before: [] as string[], all: [] as string[], during: 0 };
const place = (...names: readonly string[]): string => path.join(root.path, ...names);

beforeAll(async () => {
  root = await temporaryDirectory();
  await writeFile(place("key"), await newKeyText(0), { mode: 0o600 });
  key = await readBackupKey("backup.key_file", place("key"));
  edge = await startStandalone(standaloneConfig(place("data")));
  await mkdir(path.dirname(place("data", blob)), { recursive: true });
  await writeFile(place("data", blob), "bytes of an image");
  const device = await connectDevice(edge.mqttUrl, "during-backup");
  const send = async (): Promise<void> => {
    const eventId = newId();
    await publish(device, reading(eventId));
    acknowledged.all.push(eventId);
  };
  for (let count = 0; count < 20; count += 1) await send();
  acknowledged.before = [...acknowledged.all];
  const stream = { going: true };
  const streamed = (async () => {
    while (stream.going) await send();
  })();
  made = await makeBackup({
    database: edge.replica.database,
    dataDir: place("data"),
    nodeId: edge.identity.nodeId,
    tenant: barn.tenant_id,
    directory: place("out"),
    recipients: key.recipients,
    media: true,
    digests: true,
    nowMs: Date.now,
  });
  acknowledged.during = acknowledged.all.length - acknowledged.before.length;
  stream.going = false;
  await streamed;
  await device.endAsync();
});
afterAll(async () => {
  await edge.stop();
  await root.remove();
});

describe("a backup", () => {
  it("S12.6 of a node that takes messages meanwhile restores to a whole node: every table equal, nothing acknowledged before it missing", async () => {
    expect(await readdir(place("out"))).toEqual([path.basename(made.file)]);
    expect(acknowledged.during).toBeGreaterThan(0);
    expect(made.manifest.unsentCommits).toBeGreaterThan(0);
    // A restore into the same directory was cut off before.
    await mkdir(place("restored", ".restore-unfinished", "database"), { recursive: true });
    await writeFile(place("restored", "identity.json"), "half");
    const cutOff = startEdge(standaloneConfig(place("restored")), { log: quietLog });
    await expect(cutOff).rejects.toMatchObject({ code: "restore-unfinished" });
    const { manifest } = await restoreBackup(made.file, key.identities, place("restored"));
    expect(manifest).toEqual(made.manifest);
    expect((await readdir(place("restored"))).toSorted()).toEqual(["database", "identity.json", "media"]);
    expect(await readFile(place("restored", blob), "utf8")).toBe("bytes of an image");
    expect(manifest.blobs).toBe(1);
    const restored = await startEdge(standaloneConfig(place("restored")), { log: quietLog });
    try {
      expect(restored.identity.nodeId).toBe(edge.identity.nodeId);
      const { rows } = await restored.replica.database.query<{ event_id: string }>("select event_id from telemetry_raw");
      const there = new Set(rows.map((row) => row.event_id));
      expect(acknowledged.before.filter((id) => !there.has(id))).toEqual([]);
      expect(there.size).toBe(rows.length);
      expect([...there].filter((id) => !acknowledged.all.includes(id))).toEqual([]);
      // It is a live database, not only a readable one.
      const device = await connectDevice(restored.mqttUrl, "after-restore");
      await publish(device, reading(newId()));
      await device.endAsync();
      expect(await countRows(restored, "telemetry_raw")).toBe(rows.length + 1);
    } finally {
      await restored.stop();
    }
  });

  it("is opened by no other key, and by none that holds recipients only", async () => {
    await writeFile(place("other"), await newKeyText(0), { mode: 0o600 });
    const other = await readBackupKey("backup.key_file", place("other"));
    await expect(readBackup(made.file, other.identities)).rejects.toMatchObject({ code: "backup-key" });
    await expect(readBackup(made.file, [])).rejects.toMatchObject({ code: "backup-key" });
    const bytes = await readFile(made.file);
    for (const secret of [barn.tenant_id, edge.identity.nodeId, "identity.json"]) expect(bytes.includes(secret)).toBe(false);
  });

  it("with a byte changed, cut off or added anywhere is refused, and leaves the data directory as it was", async () => {
    const whole = await readFile(made.file);
    const damaged = place("damaged");
    const check = async (bytes: Uint8Array): Promise<unknown> => {
      await writeFile(damaged, bytes);
      return await readBackup(damaged, key.identities).then(
        () => "taken",
        (error: { readonly code?: unknown }) => error.code,
      );
    };
    const places = [
      0,
      30,
      120,
      200,
      300,
      70_000,
      ...[0.3, 0.6, 0.9].map((part) => Math.floor(whole.length * part)),
      whole.length - 1,
    ];
    for (const at of places) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect([at, await check(bytes)]).toEqual([at, expect.stringMatching(/^backup-(damaged|key)$/u)]);
    }
    // 65,536 bytes are one chunk of age's format: a file that ends between two chunks must not look whole either.
    const body = whole.length - ((whole.length - 216) % 65_552);
    for (const length of [0, 1, 100, 250, 65_000, body, body - 65_552, whole.length - 1]) {
      expect([length, await check(whole.subarray(0, length))]).toEqual([
        length,
        expect.stringMatching(/^backup-(damaged|key)$/u),
      ]);
    }
    expect(await check(Buffer.concat([whole, Buffer.from("x")]))).toBe("backup-damaged");
    expect(await check(Buffer.concat([whole, whole]))).toBe("backup-damaged");
    await writeFile(damaged, whole.subarray(0, Math.floor(whole.length / 2)));
    await expect(restoreBackup(damaged, key.identities, place("empty"))).rejects.toMatchObject({ code: "backup-damaged" });
    expect(await readdir(place("empty"))).toEqual([]);
    await expect(readBackup(place("nowhere"), key.identities)).rejects.toMatchObject({ code: "not-found" });
  });

  it("whose database is not the one that was saved is found by the sums of its tables", async () => {
    await mkdir(place("forged"));
    const wrong = structuredClone(made.manifest);
    const table = wrong.tables?.find(({ rows }) => rows !== "0");
    if (table === undefined) throw new Error("no table has rows");
    table.low = "1";
    await unpackBackup(made.file, key.identities, place("forged"));
    await expect(checkUnpacked(place("forged"), wrong, false)).rejects.toMatchObject({
      code: "backup-differs",
      details: { tables: table.table },
    });
    await checkUnpacked(place("forged"), made.manifest, false);
  });

  it("F-A11 whose pages were altered on the disk is refused by their checksums when it is read", async () => {
    const { rows } = await edge.replica.database.query<{ file: string }>("select pg_relation_filepath('hayloft.commit') as file");
    const page = await open(place("forged", "database", "pgdata", rows[0]?.file ?? ""), "r+");
    await page.write(Buffer.from([0xff, 0x00, 0xff]), 0, 3, 8_000);
    await page.close();
    await expect(checkUnpacked(place("forged"), made.manifest, false)).rejects.toMatchObject({
      code: "store-damaged",
      details: { sqlstate: "XX001" },
    });
  });
});

describe("restoring", () => {
  it("refuses a directory with anything in it, and touches nothing there", async () => {
    await mkdir(place("used"));
    await writeFile(place("used", "somebody's"), "work");
    await expect(restoreBackup(made.file, key.identities, place("used"))).rejects.toMatchObject({ code: "directory-used" });
    expect(await readdir(place("used"))).toEqual(["somebody's"]);
    await expect(restoreBackup(made.file, key.identities, place("data"))).rejects.toMatchObject({ code: "directory-used" });
  });
});

describe("a disk that fails", () => {
  it.each([
    ["ENOSPC", "store-full"],
    ["EIO", "store-failed"],
  ])("F-A12 F-A13 with %s at any write of a backup leaves nothing that looks whole: %s", async (system, code) => {
    const handle = await open(place("any"), "w");
    const prototype = Object.getPrototypeOf(handle) as { write: (...args: readonly unknown[]) => unknown; sync: () => unknown };
    await handle.close();
    const { write, sync } = prototype;
    const failure = Object.assign(new Error(system), { code: system });
    await mkdir(place("failing"), { recursive: true });
    const target = place("failing", backupName("n", 0));
    const attempt = async (): Promise<unknown> =>
      await writeArchive(target, key.recipients, async (archive) => {
        for (let index = 0; index < 6; index += 1) {
          await archive.directory(`d${index}`);
          await archive.file(`d${index}/f`, 200_000, noise(200_000));
        }
      });
    try {
      for (const failing of [0, 1, 7, "sync"] as const) {
        let writes = 0;
        prototype.write = function (...args) {
          if (writes === failing) return Promise.reject(failure);
          writes += 1;
          return write.apply(this, args as never);
        };
        prototype.sync = function () {
          return failing === "sync" ? Promise.reject(failure) : sync.apply(this);
        };
        await expect(attempt()).rejects.toMatchObject({ code });
        expect([failing, await readdir(place("failing"))]).toEqual([failing, []]);
      }
    } finally {
      Object.assign(prototype, { write, sync });
    }
    await attempt();
    expect(await readdir(place("failing"))).toEqual([path.basename(target)]);
    await rm(place("failing"), { recursive: true });
  });
});

it("S12.6 a backup that is killed at any moment leaves no file that looks whole, and the next one is", async () => {
  const directory = place("killed");
  const httpPort = await freePort();
  const ports = ["--http-port", String(httpPort), "--broker-port", String(await freePort()), "--broker-anonymous"];
  for (const daemon of [true, false]) {
    const process = new EdgeProcess(daemon ? [...offline(directory), ...ports] : ["backup", ...offline(directory)]);
    await until("a backup is being written", async () => (await drafts(directory)) > 0, 120_000);
    process.kill("SIGKILL");
    await process.exited;
    expect(await listBackups(directory, edge.identity.nodeId)).toEqual([]);
  }
  const daemon = new EdgeProcess([...offline(directory), ...ports]);
  await until("a whole backup is there", async () => (await listBackups(directory, edge.identity.nodeId)).length === 1, 120_000);
  daemon.kill("SIGTERM");
  await daemon.exited;
  expect(daemon.output).toContain('"event":"backup-made"');
  expect(await drafts(directory)).toBe(0);
  const [backup] = await listBackups(directory, edge.identity.nodeId);
  const verified = await run("backup", "verify", backup?.file ?? "", ...offline(directory));
  expect(verified).toMatchObject({ code: 0, err: "" });
  expect(verified.out).toContain("Whole and equal by the places of all logs");
});

it("S12.8 the drill backs up, restores, compares every table and prints what it measured, with date and version", async () => {
  const directory = place("killed");
  const drilled = await run("drill", "--json", "--backup-every-minutes", "2", ...offline(directory));
  expect(drilled).toMatchObject({ code: 0, err: "" });
  const report = JSON.parse(drilled.out) as Readonly<Record<string, unknown>>;
  expect(report).toMatchObject({ nodeId: edge.identity.nodeId, version: "0.1.0", met: true });
  expect(String(report["at"])).toMatch(/^\d{4}-\d\d-\d\dT/u);
  expect(Number(report["rows"])).toBeGreaterThan(acknowledged.before.length);
  expect((await run("backup", "list", ...offline(directory))).out.match(/age$/gmu)).toHaveLength(2);
  expect((await readdir(directory)).filter((name) => name.startsWith("."))).toEqual([]);
});

it("commands say what is missing before they begin", async () => {
  const settings = ["--data-dir", place("data"), "--mode", "standalone", "--tenant-id", barn.tenant_id, "--http-port", "1"];
  await writeFile(place("recipients"), `${key.recipients.join("\n")}\n`, { mode: 0o600 });
  const recipients = ["--backup-key-file", place("recipients")];
  const asks: readonly (readonly [readonly string[], number, string])[] = [
    [["backup", "--backup-directory", place("x"), ...settings], 2, "backup.key_file"],
    [["restore", made.file, ...settings], 2, "backup.key_file: is required"],
    [["restore", made.file, ...settings, ...recipients], 2, "holds recipients only"],
    [["restore", made.file, ...settings, "--backup-key-file", place("key")], 1, "directory-used"],
    [["drill", ...settings, ...recipients], 2, "holds recipients only"],
    [["backup", ...settings, ...recipients], 1, "unavailable"],
  ];
  for (const [args, code, text] of asks) {
    const result = await run(...args);
    expect([args[0], result.code, result.err]).toEqual([args[0], code, expect.stringContaining(text)]);
  }
  expect((await run("backup", "make-key")).out).toMatch(/^# made .*\n# recipient: age1\w+\nAGE-SECRET-KEY-1\w+\n$/u);
});

it("lists, prunes and cleans up only what is its own", async () => {
  const directory = place("list");
  await mkdir(directory);
  const names = [1_000, 3_000, 2_000].map((atMs) => backupName("n-1", atMs));
  for (const name of [...names, backupName("n-2", 1), "readme.txt"]) await writeFile(path.join(directory, name), "");
  await writeFile(path.join(directory, `${backupName("n-1", 9_000)}.part`), "");
  await writeFile(path.join(directory, `${backupName("n-2", 9_000)}.part`), "");
  expect((await listBackups(directory, "n-1")).map(({ atMs }) => atMs)).toEqual([3_000, 2_000, 1_000]);
  await removeDrafts(directory, "n-1");
  expect(await pruneBackups(directory, "n-1", 1)).toBe(2);
  expect((await readdir(directory)).toSorted()).toEqual(
    [names[1] ?? "", backupName("n-2", 1), `${backupName("n-2", 9_000)}.part`, "readme.txt"].toSorted(),
  );
  expect(await listBackups(place("not-there"), "n-1")).toEqual([]);
});

it.each([
  ["nothing", ""],
  ["a text that is no key", "hello"],
  ["a key that is cut off", "AGE-SECRET-KEY-1QQQ"],
])("a key file with %s is refused without quoting it", async (_what, text) => {
  await writeFile(place("bad-key"), `# comment\n${text}\n`, { mode: 0o600 });
  const error: unknown = await readBackupKey("backup.key_file", place("bad-key")).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "config-invalid" });
  if (text !== "") expect(JSON.stringify(error) + String(error)).not.toContain(text);
});

/** The restored node, its backups going to a directory. */
function offline(directory: string): readonly string[] {
  const node = ["--data-dir", place("restored"), "--mode", "standalone", "--tenant-id", barn.tenant_id];
  return [...node, "--backup-directory", directory, "--backup-key-file", place("key")];
}

/** Runs a command in this process and collects what it prints. */
async function run(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const printed = { out: "", err: "" };
  const code = await edgeCommand(args, {
    env: {},
    print: (text) => (printed.out += text),
    printError: (text) => (printed.err += text),
    readInput: () => Promise.resolve(""),
    untilSignal: () => Promise.resolve("SIGTERM"),
  });
  return { code, ...printed };
}

const drafts = async (directory: string): Promise<number> =>
  (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(".part")).length;

/** Bytes that do not compress. */
async function* noise(bytes: number): AsyncIterable<Uint8Array> {
  yield randomBytes(bytes);
}
