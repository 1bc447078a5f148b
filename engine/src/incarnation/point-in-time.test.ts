import { chmodSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { eventually, Harbour, type HarbourReplica, tenant } from "../replica/testing/harbour.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { readStoredElsewhere } from "../store/postgres/stored-elsewhere.ts";
import { ArchivedPostgres } from "../testing/archived-postgres.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { readRecovery } from "./read-recovery.ts";
import { jot, notes, RestorableHub, seen, ServerHold, Ship, sight } from "./test-copies.ts";

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

const holds = async (replicas: readonly HarbourReplica[], written: string): Promise<void> => {
  for (const replica of replicas)
    await eventually(
      async () => await notes(replica),
      (text) => text === written,
    );
};

it(
  "F-E5 S12.1 S9.4 a hub on Postgres that is restored to a point in time begins anew by itself, and two edges refill it",
  { timeout: 180_000 },
  async () => {
    const root = await tempDir();
    chmodSync(root, 0o755);
    const server = await ArchivedPostgres.start(root);
    harbour.onClose(async () => await server.stop());
    await server.sql("create database hub");
    const open = async () => await openPostgresDatabase({ connectionString: server.url("hub"), poolMax: 5 });
    const hub = new RestorableHub(harbour);
    const first = await hub.start(await open());
    const [east, west] = [
      await Ship.enrolled(first, await ServerHold.make()),
      await Ship.enrolled(first, await ServerHold.make()),
    ];
    const [e1, w1] = [await east.start(), await west.start()];
    await server.baseCopy();
    // In the archive, not in the copy.
    await jot(first.hub, "a", "hub");
    await sight(e1, "e1");
    await holds([first.hub, e1, w1], "a=hub");
    await eventually(
      async () => await seen(first.hub),
      (text) => text === "e1",
    );
    // West has seen no more than this; east sees what is lost.
    await west.stop();
    const early = await readStoredElsewhere(first.hub.database, "archive");
    const { rows } = await first.hub.database.query<{ end: string }>("select pg_current_wal_insert_lsn()::text as end");
    await server.restorePoint("last_night");
    // The archive has it when its segment is full or was switched, and says so.
    const isArchived = async (wal: string | undefined): Promise<unknown> =>
      (await first.hub.database.query("select $1::pg_lsn >= $2::pg_lsn as yes", [wal ?? "0/0", rows[0]?.end ?? ""])).rows[0];
    expect(await isArchived(early?.wal)).toEqual({ yes: false });
    await eventually(
      async () => await isArchived((await readStoredElsewhere(first.hub.database, "archive"))?.wal),
      (found) => (found as { yes: boolean }).yes,
    );
    await jot(first.hub, "b", "lost at the hub");
    await sight(e1, "e2", "e3");
    await jot(e1, "c", "east");
    await holds([first.hub, e1], "a=hub b=lost at the hub c=east");
    await eventually(
      async () => await seen(first.hub),
      (text) => text === "e1 e2 e3",
    );
    await east.stop();
    await hub.stop();
    await server.loseAndRestore("last_night");

    const again = await hub.start(await open());
    expect(await notes(again.hub)).toBe("a=hub");
    expect(harbour.events).toContainEqual(expect.objectContaining({ event: "database-restored" }));
    await jot(again.hub, "d", "after");
    const w2 = await west.start({ parent: again.parent });
    await sight(w2, "w1");
    await holds([again.hub, w2], "a=hub d=after");
    // Its place in the old log is good: it goes on without a snapshot.
    const [cursor] = (
      await w2.database.query<{ filled: number }>("select filled_position as filled from hayloft.head where tenant_id = $1", [
        tenant,
      ])
    ).rows;
    const e2 = await east.start({ parent: again.parent });
    await holds([again.hub, e2, w2], "a=hub b=lost at the hub c=east d=after");
    await eventually(
      async () => await seen(again.hub),
      (text) => text === "e1 e2 e3 w1",
    );
    const refilled = (
      await w2.database.query<{ filled: number }>("select filled_position as filled from hayloft.head where tenant_id = $1", [
        tenant,
      ])
    ).rows[0];
    expect(refilled).toEqual(cursor);
    const report = await readRecovery(again.hub.database);
    expect(report).toMatchObject({ logs: expect.arrayContaining([expect.objectContaining({ tenant })]), gone: [] });
    expect(report.children).toMatchObject([{ node: east.identity.nodeId, rowsRestored: 1 }]);
    expect(report.sent.map(({ node }) => node)).toContain(east.identity.nodeId);
  },
);
