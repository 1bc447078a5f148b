import { hostname } from "node:os";
import { HayloftError, settingsHelp } from "@hayloft/engine";
import { Command } from "commander";
import { hashPassword } from "../broker/device-accounts.ts";
import { EDGE_VERSION } from "../daemon/edge-version.ts";
import { enrol } from "../daemon/enrolment.ts";
import { replaceNode } from "../daemon/replace-node.ts";
import { type EdgeConfig, edgeSettings } from "../settings/edge-settings.ts";
import type { LoadedEdgeConfig } from "../settings/load-edge-config.ts";
import { isLoopback } from "../settings/loopback.ts";
import { askDaemon, tellDaemon } from "./ask-daemon.ts";
import type { CliPort } from "./cli-port.ts";
import { addBackupCommands } from "./backup-commands.ts";
import { addJournalCommands } from "./journal-commands.ts";
import { addPrepareCommand } from "./prepare-command.ts";
import { addReviewCommands } from "./review-commands.ts";
import { addVerifyCommand } from "./verify-command.ts";
import { exitCodes } from "./cli-port.ts";
import { runDaemon } from "./run-daemon.ts";
import { listText, parseList, parseStatus, statusText } from "./status-text.ts";

/** All commands of `hayloft-edge`. `finish` is told the exit code when it is not 0. */
export function edgeProgram(loaded: LoadedEdgeConfig, port: CliPort, finish: (code: number) => void): Command {
  const program = new Command("hayloft-edge")
    .description("The barn daemon of Hayloft: takes device messages, keeps the barn's database, replicates with the hub.")
    .version(EDGE_VERSION, "-V, --version")
    .exitOverride()
    .configureOutput({ writeOut: (text) => port.print(text), writeErr: (text) => port.printError(text) })
    .addHelpText("after", `\n${settingsHelp(edgeSettings)}`)
    .showHelpAfterError("(hayloft-edge --help shows the commands)");
  addServiceCommands(program, loaded, port, finish);
  addPrepareCommand(program, port);
  addBackupCommands(program, loaded, port, finish);
  addListCommands(program, loaded, port);
  addQuarantineCommands(program, loaded, port);
  addJournalCommands(program, loaded, port);
  addReviewCommands(program, loaded, port);
  addVerifyCommand(program, loaded, port, finish);
  addBlockCommands(program, loaded, port);
  return program;
}

function addServiceCommands(program: Command, loaded: LoadedEdgeConfig, port: CliPort, finish: (code: number) => void): void {
  const { config, sources } = loaded;
  program
    .command("run", { isDefault: true })
    .description("run the daemon (default)")
    .action(async () => finish(await runDaemon(config, port)));
  addEnrolCommands(program, config, port);
  program
    .command("status")
    .description("what the running daemon does: backlog, age of the oldest unsent change, link, clock, refusals")
    .option("--json", "print it as JSON")
    .action(async (options: { readonly json?: boolean }) => {
      const answer = await askDaemon(config, "/api/v1/status");
      const status = parseStatus(answer);
      port.print(options.json === true ? `${JSON.stringify(answer, null, 2)}\n` : statusText(status));
      if (!status.ready.ready) finish(exitCodes.notReady);
    });
  program
    .command("check-config")
    .description("check the configuration and show each value with where it came from")
    .action(() => {
      const rows = Object.entries(config).map(([key, value]) => ({ key, value, source: sources[key] ?? "default" }));
      port.print(listText(rows, ["key", "value", "source"]));
    });
  program
    .command("hash-password")
    .description("read a password from standard input and print its hash for the accounts file")
    .action(async () => {
      const password = (await port.readInput()).replace(/\r?\n$/, "");
      if (password.length < 8) throw usage("the password on standard input needs at least 8 characters");
      port.print(`${await hashPassword(password)}\n`);
    });
  program
    .command("version")
    .description("print the version")
    .action(() => port.print(`${EDGE_VERSION}\n`));
}

interface EnrolOptions {
  readonly token: string;
  readonly name: string;
}

function addEnrolCommands(program: Command, config: EdgeConfig, port: CliPort): void {
  const hubOf = (): string => {
    if (config.hub_url === null) throw usage("hub_url: is required to enrol; give --hub-url");
    if (!config.insecure && new URL(config.hub_url).protocol === "http:" && !isLoopback(new URL(config.hub_url).hostname)) {
      throw usage("hub_url: must start with https:// (or set insecure for development)");
    }
    return config.hub_url;
  };
  const tokenOf = async (given: EnrolOptions): Promise<string> =>
    given.token === "-" ? (await port.readInput()).trim() : given.token;
  program
    .command("enrol")
    .description("enrol this node at the hub with a one-time token")
    .requiredOption("--token <token>", "the token, or - to read it from standard input")
    .option("--name <name>", "how people call this node", hostname())
    .action(async (given: EnrolOptions) => {
      const [hubUrl, token] = [hubOf(), await tokenOf(given)];
      const { data_dir: dataDir, hub_ca_file: caFile } = config;
      const { enrolment, fresh } = await enrol({ dataDir, hubUrl, token, name: given.name, caFile });
      const what = fresh ? "Enrolled" : "Already enrolled";
      port.print(`${what}: node ${enrolment.nodeId} of tenant ${enrolment.tenant}, hub ${enrolment.hubUrl}\n`);
    });
  program
    .command("replace")
    .description("take the place of a dead node on this new box: its grant and rows from the hub, which revokes the old node")
    .requiredOption("--token <token>", "of hayloft-hub node replace, or - to read it from standard input")
    .option("--name <name>", "how people call this node", hostname())
    .action(async (given: EnrolOptions) => {
      hubOf();
      const request = { config, token: await tokenOf(given), name: given.name };
      const { enrolment, enrolMs, fillMs, rows } = await replaceNode(request);
      port.print(`Node ${enrolment.nodeId} has the place of ${enrolment.replaces ?? ""}, which the hub has revoked.\n`);
      port.print(`Enrolled in ${(enrolMs / 1000).toFixed(1)} s, filled with ${rows} rows in ${(fillMs / 1000).toFixed(1)} s.\n`);
      port.print("Start the daemon. Tablets that synced with the old box have to be enrolled at this one.\n");
    });
}

function addListCommands(program: Command, { config }: LoadedEdgeConfig, port: CliPort): void {
  const list = async (path: string, columns: readonly string[]): Promise<void> => {
    port.print(listText(parseList(await askDaemon(config, path)), columns));
  };
  program
    .command("refused")
    .description("messages of devices that were refused")
    .command("list", { isDefault: true })
    .description("the newest ones, without payload")
    .action(() => list("/api/v1/ingress/refused", ["received_at", "reason", "detail", "device_id", "event_id", "topic"]));
}

function addQuarantineCommands(program: Command, { config }: LoadedEdgeConfig, port: CliPort): void {
  const pathOf = (origin: string, seq: string): string =>
    `/api/v1/sync/quarantine/${encodeURIComponent(origin)}/${encodeURIComponent(seq)}`;
  const tell = async (origin: string, seq: string, action: string, body: object): Promise<void> => {
    port.print(`${JSON.stringify(await tellDaemon(config, "POST", `${pathOf(origin, seq)}/${action}`, body), null, 2)}\n`);
  };
  const quarantine = program
    .command("quarantine")
    .description("refused commits: see them, correct, discard, have them judged again");
  quarantine
    .command("list", { isDefault: true })
    .description("what is held, without values")
    .action(async () => {
      const rows = parseList(await askDaemon(config, "/api/v1/sync/quarantine"));
      port.print(listText(rows, ["held_at", "code", "tables", "origin", "seq", "retryable", "cause"]));
    });
  quarantine
    .command("show <origin> <seq>")
    .description("one with what it would change; this and what follows needs http.admin_token_file")
    .action(async (origin: string, seq: string) => {
      port.print(`${JSON.stringify(await askDaemon(config, pathOf(origin, seq)), null, 2)}\n`);
    });
  quarantine
    .command("resend <origin> <seq>")
    .description("write its changes again, corrected, as a commit of this node; what builds on it follows")
    .option("--set <table.column=value...>", "corrections for all its rows of the table; without =value: null")
    .option("--person <name>", "who does it")
    .action((origin: string, seq: string, given: { readonly set?: readonly string[]; readonly person?: string }) =>
      tell(origin, seq, "resend", { edits: given.set ?? [], person: given.person ?? null }),
    );
  quarantine
    .command("discard <origin> <seq>")
    .description("close it, and what builds on it, without applying it; the audit log says who and why")
    .requiredOption("--reason <text>", "why")
    .option("--person <name>", "who does it")
    .action((origin: string, seq: string, given: { readonly reason: string; readonly person?: string }) =>
      tell(origin, seq, "discard", { reason: given.reason, person: given.person ?? null }),
    );
  quarantine
    .command("release <origin> <seq>")
    .description("have it judged again; it is applied only when nothing speaks against it any more")
    .option("--person <name>", "who does it")
    .action((origin: string, seq: string, given: { readonly person?: string }) =>
      tell(origin, seq, "release", { person: given.person ?? null }),
    );
}

function addBlockCommands(program: Command, { config }: LoadedEdgeConfig, port: CliPort): void {
  const pathOf = (kind: string, id: string): string =>
    `/api/v1/ingress/blocks/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`;
  program
    .command("block <kind> <id>")
    .description("refuse a device or station on this site from now on, with or without the hub")
    .option("--reason <text>", "why")
    .action(async (kind: string, id: string, options: { readonly reason?: string }) => {
      await tellDaemon(config, "POST", pathOf(kind, id), { reason: options.reason ?? null });
      port.print(`blocked ${kind} ${id}\n`);
    });
  program
    .command("unblock <kind> <id>")
    .description("take a block back")
    .action(async (kind: string, id: string) => {
      await tellDaemon(config, "DELETE", pathOf(kind, id), null);
      port.print(`unblocked ${kind} ${id}\n`);
    });
  program
    .command("blocks")
    .description("what is blocked on this site")
    .action(async () => {
      const rows = parseList(await askDaemon(config, "/api/v1/ingress/blocks"));
      port.print(listText(rows, ["kind", "subject_id", "reason", "blocked_at"]));
    });
}

const usage = (problem: string): HayloftError => new HayloftError("config-invalid", { problems: problem });
