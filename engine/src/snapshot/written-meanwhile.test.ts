import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { stepwiseDatabase } from "../apply/failing-database.ts";
import { BARN, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import type { SnapshotChunk, SnapshotCursor } from "../replica/replica-storage.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { dropPostgres, freshPostgres, preparedPostgresUrl } from "../testing/fresh-postgres.ts";
import { position } from "./fill-replica.ts";

let cloud: TestReplica;
let edge: TestReplica;
let edgeUrl = "";
beforeEach(async () => {
  cloud = await TestReplica.open(freshPostgres, "cloud");
  edge = await TestReplica.open(async (preparation) => {
    if (preparation === undefined) throw new Error("a replica has a catalog");
    edgeUrl = await preparedPostgresUrl(preparation);
    return await openPostgresDatabase({ connectionString: edgeUrl, poolMax: 2 });
  }, "edge");
});
afterEach(async () => {
  await Promise.all([cloud.close(), edge.close()]);
  await dropPostgres(edgeUrl);
});

const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', $2)";

/** The pages of one table. */
async function pagesOf(parent: TestReplica, table: string): Promise<readonly SnapshotChunk[]> {
  const chunks: SnapshotChunk[] = [];
  for (let cursor: SnapshotCursor | null = null; ;) {
    const chunk = await parent.storage.readSnapshot(edge.grant(), TENANT, cursor, 100_000);
    if (chunk === null) return chunks;
    if (chunk.change.table === table) chunks.push(chunk);
    if (chunk.next === null) return chunks;
    cursor = chunk.next;
  }
}

it("F-D7 what another connection writes at any moment while pages are applied stays, and so does what it changes", async () => {
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await cloud.sql(NOTE, [newId(), "of the cloud"]);
  const [at, chunks] = [await position(cloud), await pagesOf(cloud, "note")];
  await edge.storage.applySnapshot(cloud.nodeId, await pagesOf(cloud, "barn"), at, 0);
  await edge.storage.applySnapshot(cloud.nodeId, chunks, at, 0);
  // Everything was sent and acknowledged before; only what is written now is ahead of the parent.
  await edge.sql(
    "update hayloft.peer set acked_incarnation = h.incarnation, acked_position = h.position from hayloft.head h where h.tenant_id = 't1'",
  );

  const other = await openPostgresDatabase({ connectionString: edgeUrl, poolMax: 1 });
  const written: string[] = [];
  const waiting: Promise<unknown>[] = [];
  try {
    for (let moment = 1, statements = moment; moment <= statements; moment += 1) {
      let count = 0;
      const busy = stepwiseDatabase(edge.database, async () => {
        count += 1;
        if (count !== moment) return;
        const title = `written before statement ${String(moment)}`;
        written.push(title);
        const writing = other.query(NOTE, [newId(), title]);
        waiting.push(writing);
        // Near its end the transaction holds the log, and the writer waits for it.
        await Promise.race([writing, pause(300)]);
      });
      await edge.over(busy).applySnapshot(cloud.nodeId, chunks, at, 0);
      await Promise.all(waiting);
      statements = Math.max(statements, Math.min(count, 40));
    }
  } finally {
    await other.close();
  }
  expect(written.length).toBeGreaterThan(chunks.length);
  const titles = (await edge.sql("select title from note where title <> 'of the cloud'")).map(({ title }) => title);
  expect(new Set(titles)).toEqual(new Set(written));
});
