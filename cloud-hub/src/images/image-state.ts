import type { Database, Grant } from "@hayloft/engine";
import { grantText } from "@hayloft/engine";
import { imageAge, imageKey, imageKind, type ImageManifest } from "@hayloft/engine/image";
import { farmCatalog, farmMigrations } from "@hayloft/schema";

const kind = imageKind(farmCatalog, farmMigrations);

/** The key of the image that this hub makes for a grant. */
export const keyOf = (grant: Grant): string => imageKey(kind, grantText(grant));

const AGE_MS_MAX = 7 * 86_400_000;

export interface ImageState {
  /** `useless` is given to nobody: the log behind it is gone. `stale` is given still, and made anew while somebody is expected. */
  readonly state: "fresh" | "stale" | "useless";
  /** Rows of the commits behind it. */
  readonly rowsBehind: number;
}

/** How an image stands to the logs that it was made of. */
export async function imageState(
  database: Database,
  manifest: ImageManifest,
  { nowMs, tailRowsMax }: { readonly nowMs: number; readonly tailRowsMax: number },
): Promise<ImageState> {
  const { followable, tailRows } = await imageAge(database, manifest);
  const isStale = tailRows > tailRowsMax || nowMs - manifest.madeAtMs > AGE_MS_MAX;
  return { state: !followable ? "useless" : isStale ? "stale" : "fresh", rowsBehind: tailRows };
}
