import type { Catalog } from "../catalog/catalog.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { unownedNode } from "../migrate/migrate.ts";
import type { Cursor, Grant, LogHead, ReplicaStorage, SnapshotCursor } from "../replica/replica-storage.ts";
import { grantText } from "../scope/grant-text.ts";
import { defaultSessionLimits } from "../session/session-limits.ts";

/** A replica that images are made of. */
export interface ImageSource {
  readonly node: string;
  readonly storage: Pick<ReplicaStorage, "heads" | "readSnapshot" | "readLog">;
  /** Ends the work between two pages. */
  readonly signal: AbortSignal;
}

/**
 * Fills a replica that belongs to nobody with what a child with this grant would be sent: a snapshot, and the tail up to where the
 * source stood when the last page was read. When it resolves, the rows are exactly those of the cursors that are returned. Throws
 * `unavailable` when the source changed in a way that only a new attempt can follow.
 */
export async function fillImage(
  source: ImageSource,
  target: ReplicaStorage,
  catalog: Catalog,
  grant: Grant,
): Promise<readonly Cursor[]> {
  await target.takeGrant(source.node, grant.tenant, grantText(grant));
  const tenants = grant.tenant === catalog.sharedTenant ? [grant.tenant] : [catalog.sharedTenant, grant.tenant];
  const begun: Cursor[] = [];
  for (const tenant of tenants) begun.push(await takePages(source, target, grant, tenant));
  // Every page is read before any tail is, so that rows of one log that refer to the other's find them.
  for (const at of begun) await follow(source, target, grant, at);
  return await target.receivedCursors(source.node);
}

function checkStopped({ signal }: ImageSource): void {
  if (signal.aborted) throw new HayloftError("unavailable", { reason: "stopping" });
}

async function headOf(storage: ImageSource["storage"], tenant: string): Promise<LogHead> {
  const [head] = await storage.heads([tenant]);
  if (head === undefined) throw new HayloftError("unavailable", { reason: "no log" });
  return head;
}

async function takePages(source: ImageSource, target: ReplicaStorage, grant: Grant, tenant: string): Promise<Cursor> {
  const { node, storage } = source;
  const { incarnation, position } = await headOf(storage, tenant);
  const at = { tenant, incarnation, position };
  for (let cursor: SnapshotCursor | null = null; ;) {
    checkStopped(source);
    const chunk = await storage.readSnapshot(grant, tenant, cursor, defaultSessionLimits.pageBytes);
    if (chunk !== null) await target.applySnapshot(node, [chunk], at, 0);
    if (chunk?.next == null) break;
    cursor = chunk.next;
  }
  await target.finishSnapshot(node, at);
  return at;
}

async function follow(source: ImageSource, target: ReplicaStorage, grant: Grant, at: Cursor): Promise<void> {
  const { node, storage } = source;
  const { tenant } = at;
  const head = await headOf(storage, tenant);
  if (head.incarnation !== at.incarnation) throw new HayloftError("unavailable", { reason: "the log began anew" });
  const { sliceBytes: bytesMax, sliceRows: rowsMax } = defaultSessionLimits;
  for (let after = at.position; after < head.position;) {
    checkStopped(source);
    const { large, ...slice } = await storage.readLog({
      tenant,
      after,
      peer: unownedNode,
      towards: "down",
      grant,
      bytesMax,
      rowsMax,
    });
    const { refill } = await target.apply({ peer: node, node, from: "parent", grant: null, verifiedSeq: Infinity, slice });
    // Both are rare, and a session knows what to do: an image is simply made a little later.
    if (refill === true || large !== undefined || slice.upTo <= after)
      throw new HayloftError("unavailable", { reason: "too much changed while the image was made" });
    after = slice.upTo;
  }
}
