import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { freshDatabaseUrl } from "../testing/fresh-database-url.ts";
import type { CommandResult } from "../testing/hub-command.ts";
import { hubCommand, hubCommandHere } from "../testing/hub-command.ts";

let directory: string;
let databaseUrl: string;
let drop: () => Promise<void>;

/** A command against this test's database, configured by a file. */
const run = async (...args: readonly string[]): Promise<CommandResult> =>
  await hubCommandHere(["--config", path.join(directory, "hub.yaml"), ...args]);

async function json(...args: readonly string[]): Promise<unknown> {
  const result = await run(...args, "--json");
  expect([result.err, result.code]).toEqual(["", 0]);
  return JSON.parse(result.out);
}

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "hub-cli-"));
  chmodSync(directory, 0o755);
  const database = await freshDatabaseUrl();
  databaseUrl = database.url;
  drop = async () => await database.drop();
  const url = new URL(database.url);
  writeFileSync(path.join(directory, "password"), `${url.password}\n`, { mode: 0o600 });
  url.password = "";
  writeFileSync(
    path.join(directory, "hub.yaml"),
    `database:\n  url: ${url.href}\n  password_file: ${path.join(directory, "password")}\n`,
  );
});

afterAll(async () => {
  await drop();
  rmSync(directory, { recursive: true });
});

describe("hayloft-hub", () => {
  it("says nothing when the reader of its output goes first", () => {
    const program = path.resolve(import.meta.dirname, "../../bin/hayloft-hub.js");
    const { status, stderr } = spawnSync("/bin/sh", ["-c", `"${process.execPath}" "${program}" --help | true`], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("makes a tenant with everything in it, and one token, from an empty database", { timeout: 180_000 }, async () => {
    expect(await json("migrate")).toMatchObject({ applied: expect.arrayContaining(["0001_initial"]) });
    expect(await json("migrate")).toMatchObject({ applied: "nothing to do" });
    expect(await json("tenant", "create", "--name", "Acme", "--id", "t-1")).toMatchObject({ id: "t-1", status: "active" });
    expect(await json("farm", "create", "--tenant", "t-1", "--name", "North", "--id", "f-1")).toMatchObject({ id: "f-1" });
    expect(
      await json("barn", "create", "--tenant", "t-1", "--farm", "f-1", "--name", "Barn 1", "--id", "b-1", "--capacity", "20000"),
    ).toMatchObject({ farm: "f-1" });
    expect(await json("barn", "rename", "b-1", "Barn One", "--tenant", "t-1")).toMatchObject({ name: "Barn One" });
    expect(await json("station", "create", "--tenant", "t-1", "--barn", "b-1", "--name", "Scale", "--id", "st-01")).toMatchObject(
      { station_type: "weighing" },
    );
    expect(
      await json(
        "batch",
        "create",
        "--tenant",
        "t-1",
        "--barn",
        "b-1",
        "--species",
        "chicken",
        "--start-date",
        "2026-11-01",
        "--id",
        "ba-1",
      ),
    ).toMatchObject({
      status: "active",
    });
    expect(await json("batch", "close", "ba-1", "--tenant", "t-1", "--end-date", "2026-12-01")).toMatchObject({
      status: "completed",
    });
    expect(
      await json("device", "create", "--tenant", "t-1", "--barn", "b-1", "--device-type", "weighvision", "--id", "wv-1"),
    ).toMatchObject({ allowed: true });
    expect(await json("device", "disable", "wv-1", "--tenant", "t-1")).toMatchObject({ status: "inactive", allowed: false });
    const created = (await json("token", "create", "--tenant", "t-1", "--barn", "b-1", "--ttl", "30m")) as Record<
      string,
      unknown
    >;
    expect(created).toMatchObject({
      tier: "edge",
      role: "device_agent",
      scopes: { farm: ["f-1"], barn: ["b-1"] },
      token: expect.stringMatching(/^hlt_[\w-]{43}$/),
    });
    expect(await json("barn", "list", "--tenant", "t-1")).toMatchObject([{ name: "Barn One" }]);
    expect(await json("node", "list")).toEqual([]);
    expect(await json("quarantine", "list")).toEqual([]);
    expect(await json("status")).toMatchObject({ tenants: 1, nodes: 0 });
    expect(await json("maintain")).toMatchObject({ prunedCommits: 0 });
    const listed = await run("device", "list", "--tenant", "t-1");
    expect(listed.out).toMatch(/^TENANT +ID +DEVICE TYPE .*\nt-1 +wv-1 +weighvision .* false\n$/);
  });

  it("prints a token once: no list, status or log shows it again, and the database does not hold it", async () => {
    const created = (await json("token", "create", "--tenant", "t-1")) as { token: string };
    const database = await openPostgresDatabase({ connectionString: databaseUrl });
    const { rows } = await database.query<{ text: string }>("select string_agg(t::text, ' ') as text from enrolment_tokens t");
    await database.close();
    expect(rows[0]?.text).not.toContain(created.token);
    const shown = await run("status");
    expect(shown.out).not.toContain(created.token);
  });

  it.each<readonly [string, readonly string[], number, RegExp]>([
    ["a name that is taken", ["farm", "create", "--tenant", "t-1", "--name", "North"], 1, /name-taken: .*Choose another one/],
    ["an unknown tenant", ["farm", "create", "--tenant", "t-9", "--name", "X"], 1, /not-found: .*what=tenant, id=t-9/],
    ["an unknown node", ["node", "revoke", "nobody"], 1, /not-found/],
    ["a replacement of an unknown node", ["node", "replace", "nobody"], 1, /not-found/],
    [
      "a report that is not there",
      ["verify", "--check", "/nowhere.json"],
      1,
      /^ENOENT: no such file or directory, open '\/nowhere\.json'\n$/,
    ],
    ["an unknown command", ["tenants"], 2, /unknown command 'tenants'/],
    ["an unknown option", ["tenant", "list", "--verbose"], 2, /unknown option '--verbose'/],
    ["a missing option", ["farm", "create", "--name", "X"], 2, /required option '--tenant <id>'/],
    ["a wrong duration", ["token", "create", "--tenant", "t-1", "--ttl", "soon"], 2, /request-invalid.*30m, 1h, 7d/],
    ["an unknown role", ["token", "create", "--tenant", "t-1", "--role", "king"], 1, /not-found.*what=role/],
    ["a wrong tier", ["token", "create", "--tenant", "t-1", "--tier", "cloud"], 2, /Allowed choices are edge, tablet/],
  ])("S7.4 tells %s in one message without a stack", async (_what, args, code, message) => {
    const result = await run(...args);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(message);
    expect(result.err).not.toMatch(/\n\s+at /);
    expect(result.out).toBe("");
  });

  it.each<readonly [string, string, RegExp]>([
    ["an unknown key", "htpp:\n  port: 1\n", /htpp: is not a setting/],
    ["broken YAML", "http: [\n", /is not valid YAML or JSON at line/],
    [
      "a password in the URL",
      "database:\n  url: postgres://u:hunter2@localhost/x\n",
      /database\.url: holds a password, put it into a file/,
    ],
    ["an open address without TLS", "http:\n  host: 0.0.0.0\n", /http\.host: is reachable from outside without TLS/],
    ["half of a certificate", "http:\n  tls_cert_file: a.pem\n", /http\.tls_cert_file: goes together with http\.tls_key_file/],
    ["limits in the wrong order", "watch:\n  late_minutes: 90\n", /watch\.late_minutes: must be less than watch\.silent_minutes/],
    ["a port out of range", "http:\n  port: 70000\n", /http\.port: must be at most 65535/],
  ])("refuses to start with %s, and never repeats a secret", async (_what, text, message) => {
    writeFileSync(path.join(directory, "wrong.yaml"), text);
    const result = await hubCommand(["--config", "wrong.yaml", "run"], directory);
    expect([result.code, result.out]).toEqual([2, ""]);
    expect(result.err).toMatch(message);
    expect(result.err).not.toContain("hunter2");
  });

  it.each<readonly [string, readonly string[], Readonly<Record<string, string>>, RegExp]>([
    ["a missing configuration file", ["--config", "nothing.yaml"], {}, /config: cannot read nothing\.yaml \(ENOENT\)/],
    [
      "a mistyped variable",
      [],
      { HAYLOFT_HUB_HTTP_PROT: "1" },
      /HAYLOFT_HUB_HTTP_PROT: is not a setting, did you mean HAYLOFT_HUB_HTTP_PORT\?/,
    ],
    ["a missing secret", ["--http-admin-token-file", "none"], {}, /http\.admin_token_file: cannot read none/],
    [
      "a missing password",
      ["--database-url", "postgres://u@localhost/x", "--database-password-file", "none"],
      {},
      /database\.password_file: cannot read none/,
    ],
  ])("refuses to start with %s", async (_what, args, env, message) => {
    const result = await hubCommand(["run", ...args], directory, env);
    expect(result.code).toBe(2);
    expect(result.err).toMatch(message);
  });

  it("signs what it holds of a tenant, and tells a report of its own from one that was changed", async () => {
    const file = path.join(directory, "report.json");
    const written = await run("verify", "--tenant", "t-1", "--out", file);
    expect([written.code, written.err]).toEqual([0, ""]);
    expect(written.out).toMatch(/^t-1 {2}farms: 1 rows, [0-9a-f]{32}$/m);
    expect((await run("verify", "--check", file)).out).toContain("the signature holds");
    writeFileSync(file, readFileSync(file, "utf8").replace(/rows\\":1,/, 'rows\\":2,'));
    expect(await run("verify", "--check", file)).toMatchObject({ code: 1, err: expect.stringMatching(/^report-unproven/) });
    expect((await run("verify")).code).toBe(2);
  });

  it("says what is wrong when the database cannot be reached", async () => {
    const result = await hubCommand(["tenant", "list", "--database-url", "postgres://u@127.0.0.1:1/x"], directory);
    expect(result.code).toBe(1);
    expect(result.err).toMatch(/^unavailable: /);
  });

  it("shows help with every setting, also when the configuration is wrong, and each effective value with its source", async () => {
    const help = await hubCommand(["--help"], directory, { HAYLOFT_HUB_NONSENSE: "1" });
    expect([help.code, help.err]).toEqual([0, ""]);
    expect(help.out).toContain("--http-port <whole number>");
    expect(help.out).toContain("HAYLOFT_HUB_DATABASE_PASSWORD_FILE");
    const checked = await hubCommand(["config", "check", "--json", "--http-port", "1234"], directory, {
      HAYLOFT_HUB_LOG_LEVEL: "debug",
    });
    const rows = JSON.parse(checked.out) as { key: string; value: unknown; source: string }[];
    expect(rows).toContainEqual({ key: "http.port", value: 1234, source: "flag" });
    expect(rows).toContainEqual({ key: "log.level", value: "debug", source: "environment" });
    expect(rows).toContainEqual({ key: "enrol.attempts_per_minute", value: 10, source: "default" });
    const version = await hubCommand(["version"], directory);
    expect(version.out).toMatch(/^version +\d+\.\d+\.\d+\n$/);
  });
});
