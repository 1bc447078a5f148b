import type { Command } from "commander";
import { readOverview } from "../admin/hub-overview.ts";
import { roleStatements } from "../database/role-statements.ts";
import { openHubDatabase } from "../database/open-hub-database.ts";
import { hubVersion } from "../hub/hub-version.ts";
import { prepareDatabase } from "../hub/prepare-database.ts";
import { hubLog } from "../log/hub-log.ts";
import { maintainHub } from "../jobs/maintain-hub.ts";
import type { CommandContext } from "./command-context.ts";
import { runHub } from "./run-hub.ts";

export function addServiceCommands(program: Command, context: CommandContext): void {
  const { settings, sources, file } = context.loaded;
  program
    .command("run", { isDefault: true })
    .description("run the hub (default)")
    .action(async () => await runHub(settings, hubLog(settings["log.level"], hubVersion())));
  program
    .command("migrate")
    .description("bring the database to this version, and stop")
    .action(async () => {
      const opened = await openHubDatabase(settings, { attach: true, applicationName: "hayloft-hub migrate" });
      try {
        const { applied, identity } = await prepareDatabase(opened.database, settings.identity_file);
        context.record({ applied: applied.length === 0 ? "nothing to do" : applied, node: identity.nodeId });
      } finally {
        await opened.close();
      }
    });
  program
    .command("maintain")
    .description("make partitions and prune once, as the running hub does by itself")
    .action(async () =>
      context.record(await context.withDatabase(async (db) => await maintainHub(db, settings, context.nowMs()))),
    );
  program
    .command("roles")
    .description("print the SQL that makes the database roles and grants for an external Postgres")
    .action(() => context.text(roleStatements()));
  program
    .command("status")
    .description("what the hub's database holds")
    .action(async () => context.record(await context.withDatabase(readOverview)));
  program
    .command("config")
    .description("the configuration")
    .command("check")
    .description("check the configuration and show each value with its source")
    .action(() => {
      context.note(file === null ? "no configuration file" : `file: ${file}`);
      const rows = Object.entries(settings).map(([key, value]) => ({ key, value, source: sources[key] }));
      context.rows(rows, ["key", "value", "source"]);
    });
  program
    .command("version")
    .description("print the version")
    .action(() => context.record({ version: hubVersion() }));
}
