import type { Database, NodeIdentity } from "@hayloft/engine";
import { ImageShelf } from "@hayloft/engine/image";
import { grantText, readGrantText } from "@hayloft/engine";
import { imageState, type ImageState, keyOf } from "./image-state.ts";
import { expectedGrants, presentNodes } from "./wanted-grants.ts";

/** A prepared database as operators see it. */
export interface ImageView {
  readonly tenant: string;
  /** Ids per scope; nothing for all of the tenant. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
  /** `useless` too when another version made it, or nobody may have it: it goes when the hub looks next. */
  readonly state: ImageState["state"];
  readonly made_at: Date;
  readonly wanted_at: Date;
  readonly size_mb: number;
  readonly rows_behind: number;
  /** Who may have it: names of nodes, and how many open tokens. */
  readonly nodes: readonly string[];
  readonly tokens: number;
}

interface Shelf {
  readonly directory: string;
  readonly maker: Pick<NodeIdentity, "nodeId" | "publicKey">;
  readonly nowMs: number;
  readonly tailRowsMax: number;
}

/** The prepared databases in a hub's directory, the one wanted last first. */
export async function listImages(
  database: Database,
  { directory, maker, nowMs, tailRowsMax }: Shelf,
): Promise<readonly ImageView[]> {
  const images = await new ImageShelf(directory, { node: maker.nodeId, publicKey: maker.publicKey }).list();
  const expected = (await expectedGrants(database, nowMs)).map(grantText);
  const present = (await presentNodes(database)).map(({ name, grant }) => ({ name, granted: grantText(grant) }));
  const views: ImageView[] = [];
  for (const { manifest, usedAtMs } of images) {
    const { granted, key, madeAtMs, sizeBytes } = manifest;
    const grant = readGrantText(granted);
    const nodes = present.filter((node) => node.granted === granted).map(({ name }) => name);
    const tokens = expected.filter((other) => other === granted).length;
    const { state, rowsBehind } = await imageState(database, manifest, { nowMs, tailRowsMax });
    const isWanted = key === keyOf(grant) && nodes.length + tokens > 0;
    views.push({
      tenant: grant.tenant,
      scopes: grant.scopes,
      state: isWanted ? state : "useless",
      made_at: new Date(madeAtMs),
      wanted_at: new Date(usedAtMs),
      size_mb: Math.round(sizeBytes / 104_857.6) / 10,
      rows_behind: rowsBehind,
      nodes,
      tokens,
    });
  }
  return views;
}
