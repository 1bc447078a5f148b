import { HayloftError } from "@hayloft/engine";
import { loadIdentity } from "@hayloft/engine/node";
import type { Command } from "commander";
import path from "node:path";
import * as v from "valibot";
import { listBackups } from "../backup/backup-files.ts";
import { newKeyText } from "../backup/backup-key.ts";
import { type BackupReport, backupNode, directoryOf, keyOf } from "../backup/backup-node.ts";
import { drill, MARGIN, RPO_LIMIT_MS, RTO_LIMIT_MS } from "../backup/drill.ts";
import { restoreBackup } from "../backup/restore-backup.ts";
import { readBackup } from "../backup/unpack-backup.ts";
import { verifyBackup } from "../backup/verify-backup.ts";
import type { BackupManifest } from "../backup/backup-manifest.ts";
import { duration } from "../http/duration.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import type { LoadedEdgeConfig } from "../settings/load-edge-config.ts";
import { tellDaemon } from "./ask-daemon.ts";
import type { CliPort } from "./cli-port.ts";
import { exitCodes } from "./cli-port.ts";
import { listText } from "./status-text.ts";

/** A large database on a slow disk takes its time. */
const BACKUP_TIMEOUT_MS = 4 * 3_600_000;

const reportSchema = v.object({ file: v.string(), sizeBytes: v.number(), heldMs: v.number(), tookMs: v.number() });

/** `backup`, `restore` and `drill`. */
export function addBackupCommands(
  program: Command,
  { config }: LoadedEdgeConfig,
  port: CliPort,
  finish: (code: number) => void,
): void {
  const backup = program.command("backup").description("encrypted backups of this node: identity, database, unsent work");
  backup
    .command("create", { isDefault: true })
    .description("make one now, also while the daemon runs; what it says is whole, durable and read back")
    .option("--no-digests", "take no sums of the tables, for which messages wait about half a minute a million rows")
    .option("--verify", "restore it into a scratch directory and compare; needs the secret key")
    .action(async ({ digests, verify }: { readonly digests: boolean; readonly verify?: boolean }) => {
      if (verify === true) await keyOf(config, true);
      const made = await makeOne(config, digests);
      port.print(
        `${made.file}\n${megabytes(made.sizeBytes)} in ${seconds(made.tookMs)}; others waited ${seconds(made.heldMs)}\n`,
      );
      if (verify === true) port.print(await verified(config, made.file));
      else port.print(`Images' bytes are ${config["backup.media"] ? "in it" : "not in it (backup.media)"}.\n`);
    });
  backup
    .command("verify <file>")
    .description("restore it into a scratch directory, open its database and compare every table; needs the secret key")
    .option("--quick", "only decrypt it and check that every byte is there and authentic")
    .option("--scratch <directory>", "where; by default beside the file")
    .action(async (file: string, given: { readonly quick?: boolean; readonly scratch?: string }) => {
      if (given.quick === true) port.print(manifestText(await readBackup(file, (await keyOf(config, true)).identities)));
      else port.print(await verified(config, file, given.scratch));
    });
  backup
    .command("list")
    .description("this node's whole backups, the newest first")
    .action(async () => {
      const { nodeId } = loadIdentity(path.join(config.data_dir, "identity.json"));
      const files = await listBackups(directoryOf(config), nodeId);
      port.print(
        listText(
          files.map(({ atMs, file }) => ({ at: new Date(atMs).toISOString(), file })),
          ["at", "file"],
        ),
      );
    });
  backup
    .command("make-key")
    .description("print a new key; keep it away from the box, and give the box the line after recipient:")
    .action(async () => port.print(await newKeyText(Date.now())));
  addRestoreCommand(program, config, port);
  addDrillCommand(program, config, port, finish);
}

function addRestoreCommand(program: Command, config: EdgeConfig, port: CliPort): void {
  program
    .command("restore <file>")
    .description("make this node of a backup, in an empty data directory; needs the secret key")
    .action(async (file: string) => {
      const { identities } = await keyOf(config, true);
      const { manifest, unpackMs, checkMs } = await restoreBackup(file, identities, config.data_dir);
      port.print(manifestText(manifest));
      port.print(
        `Restored in ${seconds(unpackMs)} and checked in ${seconds(checkMs)}. Start the daemon: at its first contact it gets back what it had\n`,
      );
      port.print("delivered since, and sends what it had not. Make sure that the old box does not run any more.\n");
    });
}

function addDrillCommand(program: Command, config: EdgeConfig, port: CliPort, finish: (code: number) => void): void {
  program
    .command("drill")
    .description("backup, restore into a scratch directory, compare, and say how long it takes and how much can be lost")
    .option("--scratch <directory>", "where; by default beside the backup")
    .option("--json", "print it as JSON")
    .action(async (given: { readonly scratch?: string; readonly json?: boolean }) => {
      const report = await drill(config, async () => await makeOne(config, true), given.scratch ?? null);
      const lines = [
        `drill            ${report.at}, version ${report.version}, node ${report.nodeId}`,
        `backup           ${megabytes(report.sizeBytes)} of ${megabytes(report.imageBytes)} in ${seconds(report.backupMs)}; messages waited ${seconds(report.heldMs)}`,
        `restore          ${seconds(report.unpackMs)}, and ${seconds(report.checkMs)} to open and compare ${report.rows} rows of ${report.tables} tables: equal`,
        `RPO without hub  ${seconds(report.rpoMs)}; limit ${seconds(RPO_LIMIT_MS)}, ${ratio(RPO_LIMIT_MS, report.rpoMs)}`,
        `RTO              ${seconds(report.rtoMs)}; limit ${seconds(RTO_LIMIT_MS)}, ${ratio(RTO_LIMIT_MS, report.rtoMs)}`,
        report.met
          ? `Both are at least ${MARGIN} times better than the limits.`
          : `Not both are ${MARGIN} times better than the limits.`,
      ];
      port.print(given.json === true ? `${JSON.stringify(report, null, 2)}\n` : `${lines.join("\n")}\n`);
      if (!report.met) finish(exitCodes.failed);
    });
}

async function makeOne(config: EdgeConfig, digests: boolean): Promise<BackupReport> {
  return await backupNode(config, digests, async () => {
    const parsed = v.safeParse(reportSchema, await tellDaemon(config, "POST", "/api/v1/backups", { digests }, BACKUP_TIMEOUT_MS));
    if (parsed.success) return parsed.output;
    throw new HayloftError("unavailable", { reason: "what answers there is not this version of the daemon" });
  });
}

async function verified(config: EdgeConfig, file: string, scratch = path.dirname(file)): Promise<string> {
  const { manifest, unpackMs, checkMs } = await verifyBackup(file, (await keyOf(config, true)).identities, scratch);
  const compared = manifest.tables === null ? "the places of all logs" : `the sums of ${manifest.tables.length} tables`;
  return `${manifestText(manifest)}Whole and equal by ${compared}; restored in ${seconds(unpackMs)}, compared in ${seconds(checkMs)}.\n`;
}

function manifestText(manifest: BackupManifest): string {
  const { nodeId, tenant, atMs, files, bytes, unsentCommits, newestCommitMs, blobs } = manifest;
  return [
    `node ${nodeId} of tenant ${tenant}, as it was at ${new Date(atMs).toISOString()}`,
    `${files} files, ${megabytes(bytes)}; ${unsentCommits} commits that the hub did not have`,
    `newest commit ${newestCommitMs === null ? "none" : new Date(newestCommitMs).toISOString()}; images' bytes: ${blobs === null ? "left out" : `${blobs} files`}\n`,
  ].join("\n");
}

const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MB`;
const seconds = (ms: number): string => (ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms));
const ratio = (limit: number, measured: number): string => `${(limit / Math.max(1, measured)).toFixed(1)} times better`;
