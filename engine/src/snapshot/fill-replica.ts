import { TENANT, type TestReplica } from "../apply/test-replica.ts";
import type { Cursor, SnapshotCursor } from "../replica/replica-storage.ts";

/** The end of the replica's log. */
export async function position(parent: TestReplica): Promise<Cursor> {
  const [head] = await parent.storage.heads([TENANT]);
  if (head === undefined) throw new Error("no head");
  return { tenant: TENANT, incarnation: head.incarnation, position: head.position };
}

/** Takes a snapshot page by page; `afterPage` runs between pages. */
export async function fill(
  child: TestReplica,
  parent: TestReplica,
  options: { readonly bytesMax?: number; readonly afterPage?: (page: number) => Promise<void> } = {},
): Promise<Cursor> {
  const grant = child.grant();
  const unfinished = await child.storage.unfinishedSnapshot(parent.nodeId, TENANT);
  const at = unfinished?.at ?? (await position(parent));
  let cursor: SnapshotCursor | null = unfinished?.cursor ?? null;
  for (let page = 1; ; page += 1) {
    const chunk = await parent.storage.readSnapshot(grant, TENANT, cursor, options.bytesMax ?? 400);
    if (chunk === null) break;
    await child.storage.applySnapshot(parent.nodeId, [chunk], at);
    await options.afterPage?.(page);
    if (chunk.next === null) break;
    cursor = chunk.next;
  }
  await child.storage.finishSnapshot(parent.nodeId, at);
  return at;
}
