import path from "node:path";
import type { HubSettings } from "../config/hub-settings.ts";

/** Where a hub's prepared databases are. By the hub's id: hubs on one database share them, and hubs on others never touch each other's files. */
export const imagesDirectory = (settings: HubSettings, nodeId: string): string =>
  path.join(settings["images.dir"] ?? path.join(settings.data_dir, "images"), nodeId);
