import type { Command } from "commander";
import { ensureHubIdentity } from "../identity/hub-identity.ts";
import { imagesDirectory } from "../images/images-directory.ts";
import { type ImageView, listImages } from "../images/list-images.ts";
import type { CommandContext } from "./command-context.ts";

/** `image list`. */
export function addImageCommands(program: Command, context: CommandContext): void {
  program
    .command("image")
    .description("prepared databases that new edge nodes begin as")
    .command("list", { isDefault: true })
    .description("list what is there: for whom, how old, how big, and whether it is fresh, stale or useless")
    .action(async () =>
      context.rows(await readImages(context), [
        "tenant",
        "scopes",
        "state",
        "made_at",
        "wanted_at",
        "size_mb",
        "rows_behind",
        "nodes",
        "tokens",
      ]),
    );
}

async function readImages(context: CommandContext): Promise<readonly ImageView[]> {
  const { settings } = context.loaded;
  return await context.withDatabase(async (database) => {
    const maker = await ensureHubIdentity(database, settings.identity_file);
    const directory = imagesDirectory(settings, maker.nodeId);
    return await listImages(database, {
      directory,
      maker,
      nowMs: context.nowMs(),
      tailRowsMax: settings["images.tail_rows_max"],
    });
  });
}
