import type { Command } from "commander";
import { Option } from "commander";
import { mediaVariantKinds, type MediaVariant } from "@hayloft/schema";
import { listMedia, requestMedia, setCloudMedia } from "../admin/media.ts";
import type { CommandContext } from "./command-context.ts";

const TENANT = "--tenant <id>";
const LIST_MAX = 1_000;

export function addMediaCommands(program: Command, context: CommandContext): void {
  const media = program.command("media").description("images: where their bytes are");
  media
    .command("list")
    .description("list the newest images of a tenant and where the bytes of each picture are")
    .requiredOption(TENANT, "the tenant")
    .addOption(new Option("--limit <count>", "how many at most").default(100).argParser(limitOf))
    .action(async (given: { tenant: string; limit: number }) =>
      context.rows(await context.withDatabase(async (db) => await listMedia(db, given.tenant, given.limit)), [
        "id",
        "barn",
        "device",
        "captured_at",
        "size_bytes",
        "original",
        "preview",
        "thumbnail",
      ]),
    );
  media
    .command("request")
    .argument("<id>", "the image")
    .description("ask the site for the bytes of an image; they come when the link allows")
    .requiredOption(TENANT, "its tenant")
    .addOption(new Option("--variant <kind>", "which picture").choices([...mediaVariantKinds]).default("original"))
    .option("--person <name>", "who asks", "operator")
    .action(async (id: string, given: { tenant: string; variant: MediaVariant; person: string }) =>
      context.record(await context.withDatabase(async (db) => await requestMedia(db, { ...given, id }))),
    );
  media
    .command("keep")
    .argument("<which>", "none, variants (previews and thumbnails) or all")
    .description("which bytes of a tenant's images this hub keeps")
    .requiredOption(TENANT, "the tenant")
    .action(async (which: string, given: { tenant: string }) => {
      const kinds = ["none", "variants", "all"] as const;
      const wanted = kinds.find((kind) => kind === which);
      if (wanted === undefined)
        return program.error(`error: '${which.slice(0, 32)}' is none of ${kinds.join(", ")}`, { exitCode: 2 });
      return context.record(await context.withDatabase(async (db) => await setCloudMedia(db, given.tenant, wanted)));
    });
}

function limitOf(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(limit >= 1 && limit <= LIST_MAX)) throw new Error(`--limit must be a whole number from 1 to ${LIST_MAX}`);
  return limit;
}
