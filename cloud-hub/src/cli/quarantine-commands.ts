import { userInfo } from "node:os";
import type { HeldId } from "@hayloft/engine";
import { HayloftError, parseEdit } from "@hayloft/engine";
import type { Command } from "commander";
import type { QuarantineQuery } from "../admin/quarantine.ts";
import { listQuarantined, openQuarantineDesk, showQuarantined } from "../admin/quarantine.ts";
import type { CommandContext } from "./command-context.ts";

const COLUMNS = ["tenant", "held_at_node", "author_node", "origin", "seq", "code", "state", "tables", "held_since", "cause"];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

function idOf(origin: string, seq: string): HeldId {
  if (!UUID.test(origin) || !/^[1-9]\d{0,14}$/.test(seq))
    throw new HayloftError("request-invalid", { part: "commit", expected: "origin and seq as in the list" });
  return { origin, seq: Number(seq) };
}

export function addQuarantineCommands(program: Command, context: CommandContext): void {
  const quarantine = program
    .command("quarantine")
    .description("refused commits: see them, correct, discard, have them judged again");
  quarantine
    .command("list", { isDefault: true })
    .description("list refused commits with their reason, without their values, the newest first")
    .option("--tenant <id>", "of one tenant only")
    .option("--state <state>", "held (default), applied, merged, resent, discarded or any")
    .option("--code <code>", "with this reason only")
    .option("--table <name>", "that touch this table")
    .option("--node <id>", "written by, or held at, this node")
    .action(async (given: QuarantineQuery) =>
      context.rows(await context.withDatabase(async (db) => await listQuarantined(db, given)), COLUMNS),
    );
  quarantine
    .command("show <origin> <seq>")
    .description("one with what it would change")
    .action(async (origin: string, seq: string) =>
      context.record(await context.withDatabase(async (db) => await showQuarantined(db, idOf(origin, seq)))),
    );
  addActions(quarantine, context);
}

function addActions(quarantine: Command, context: CommandContext): void {
  const person = userInfo().username;
  quarantine
    .command("resend <origin> <seq>")
    .description("write its changes again, corrected, as a commit of the hub; what builds on it follows")
    .option(
      "--set <table.column=value>",
      "a correction for all its rows of the table; without =value: null; may be repeated",
      collect,
      [],
    )
    .option("--person <name>", "who does it", person)
    .action(async (origin: string, seq: string, given: { readonly set: readonly string[]; readonly person: string }) => {
      const edits = given.set.map(parseEdit);
      const id = idOf(origin, seq);
      const successor = await context.withDatabase(
        async (db) => await (await openQuarantineDesk(db)).resend(id, { edits, person: given.person }),
      );
      context.record({ ...id, state: "resent", new_origin: successor.origin, new_seq: successor.seq });
    });
  quarantine
    .command("discard <origin> <seq>")
    .description("close it, and what builds on it, without applying it; the audit log says who and why")
    .requiredOption("--reason <text>", "why")
    .option("--person <name>", "who does it", person)
    .action(async (origin: string, seq: string, given: { readonly reason: string; readonly person: string }) => {
      const id = idOf(origin, seq);
      await context.withDatabase(async (db) => await (await openQuarantineDesk(db)).discard(id, given));
      context.record({ ...id, state: "discarded", reason: given.reason });
    });
  quarantine
    .command("release <origin> <seq>")
    .description("have it judged again now; it is applied only when nothing speaks against it any more")
    .option("--person <name>", "who does it", person)
    .action(async (origin: string, seq: string, given: { readonly person: string }) => {
      const id = idOf(origin, seq);
      const result = await context.withDatabase(async (db) => await (await openQuarantineDesk(db)).release(id, given.person));
      context.record({ ...id, ...result });
    });
}
