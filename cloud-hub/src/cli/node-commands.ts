import { Option } from "commander";
import type { Command } from "commander";
import { getNode, grantNode, listNodes, restoreNode, revokeNode } from "../admin/nodes.ts";
import { createReplacementToken, createToken } from "../admin/tokens.ts";
import type { CommandContext } from "./command-context.ts";
import { parseDuration } from "./parse-duration.ts";

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

interface TokenOptions {
  readonly tenant: string;
  readonly farm: readonly string[];
  readonly barn: readonly string[];
  readonly tier: "edge" | "tablet";
  readonly role: string;
  readonly ttl: string;
  readonly name?: string;
}

const DEFAULT_ROLES = { edge: "device_agent", tablet: "house_operator" } as const;

export function addTokenCommands(program: Command, context: CommandContext): void {
  const token = program.command("token").description("one-time tokens with which nodes are enrolled");
  token
    .command("create")
    .description("make a token; it is shown once, works once, and expires")
    .requiredOption("--tenant <id>", "the node's tenant")
    .addOption(new Option("--tier <tier>", "what the node is").choices(["edge", "tablet"]).default("edge"))
    .option("--role <name>", "the node's role; default device_agent for an edge, house_operator for a tablet")
    .option("--farm <id>", "limit it to a farm; may be repeated", collect, [])
    .option("--barn <id>", "limit it to a barn; may be repeated", collect, [])
    .option("--ttl <duration>", "how long it is valid, for example 30m, 1h, 7d", "1h")
    .option("--name <text>", "what it is for")
    .action(async (given: TokenOptions) => {
      const request = {
        tenant: given.tenant,
        tier: given.tier,
        role: given.role ?? DEFAULT_ROLES[given.tier],
        farms: given.farm,
        barns: given.barn,
        ttlMs: parseDuration(given.ttl),
        ...(given.name === undefined ? {} : { name: given.name }),
      };
      context.record(await context.withDatabase(async (db) => await createToken(db, request, context.nowMs())));
      context.note("The token is shown only here. Enrol the node with it before it expires.");
    });
}

const NODE_COLUMNS = [
  "tenant",
  "id",
  "name",
  "tier",
  "role",
  "status",
  "contact",
  "last_contact_at",
  "behind_commits",
  "skew_ms",
];

export function addNodeCommands(program: Command, context: CommandContext): void {
  const node = program.command("node").description("enrolled edges and tablets");
  node
    .command("list")
    .description("list nodes with their contact and lag")
    .option("--tenant <id>", "of one tenant only")
    .action(async (given: { tenant?: string }) =>
      context.rows(
        await context.withDatabase(async (db) => await listNodes(db, given.tenant ?? null, context.watch())),
        NODE_COLUMNS,
      ),
    );
  const show = async (id: string): Promise<void> =>
    context.record(await context.withDatabase(async (db) => await getNode(db, id, context.watch())));
  node.command("show").argument("<id>", "the node").description("show one node").action(show);
  node
    .command("revoke")
    .argument("<id>", "the node")
    .description("end its session at once and refuse it; what it sent stays")
    .action(async (id: string) => {
      await context.withDatabase(async (db) => await revokeNode(db, id));
      await show(id);
    });
  node
    .command("replace")
    .argument("<id>", "the node whose box is dead")
    .description("make a token for a new box; with it, hayloft-edge replace takes over the grant and revokes the old node")
    .option("--ttl <duration>", "how long it is valid, for example 30m, 1h, 7d", "1h")
    .action(async (id: string, given: { ttl: string }) => {
      const request = { node: id, ttlMs: parseDuration(given.ttl) };
      context.record(await context.withDatabase(async (db) => await createReplacementToken(db, request, context.nowMs())));
      context.note("The token is shown only here. Until it is used the old node is as it was.");
    });
  node
    .command("restore")
    .argument("<id>", "the node")
    .description("let a revoked node come back with its old key")
    .action(async (id: string) => {
      await context.withDatabase(async (db) => await restoreNode(db, id));
      await show(id);
    });
  node
    .command("grant")
    .argument("<id>", "the node")
    .description("give it another grant: rows are filled and purged at the node; without farms and barns the whole tenant")
    .option("--farm <id>", "limit it to a farm; may be repeated", collect, [])
    .option("--barn <id>", "limit it to a barn; may be repeated", collect, [])
    .action(async (id: string, given: { farm: readonly string[]; barn: readonly string[] }) => {
      await context.withDatabase(async (db) => await grantNode(db, id, { farms: given.farm, barns: given.barn }));
      await show(id);
    });
}
