import { expect, it } from "vitest";
import { BARN, exchange, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { commitHashHolds } from "../commit/commit-hash.ts";
import { newId } from "../identity/new-id.ts";
import { encodeFrame } from "../protocol/frame-codec.ts";
import { defaultLimits, ROW_BYTES_MAX } from "../protocol/limits.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import type { SnapshotCursor } from "../replica/replica-storage.ts";
import { defaultSessionLimits } from "../session/session-limits.ts";
import { refusalOf } from "../sql/sqlstate.ts";
import { eachDatabase } from "../testing/each-database.ts";

const NOTE = "insert into note (tenant_id, id, barn_id, title, body) values ('t1', $1, 'b1', 'n', $2)";
/** Characters of three bytes each. */
const wide = (bytes: number): string => "\u65e5".repeat(Math.floor(bytes / 3));

eachDatabase("large rows", (open) => {
  it("F-B7 a row above the limit is refused where it is written, with the table and what to do, and nothing of it stays", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    const refused = await cloud.sql(NOTE, [newId(), "x".repeat(ROW_BYTES_MAX)]).catch((error: unknown) => refusalOf(error));
    expect(refused).toMatchObject({ code: "row-too-large", details: { sqlstate: "HL014", table: "note", rule: "rowSize" } });
    expect(await cloud.sql("select id from note")).toEqual([]);
    await cloud.sql(NOTE, [newId(), wide(ROW_BYTES_MAX - 1_000)]);
    expect(await cloud.sql("select id from note")).toHaveLength(1);
    await cloud.close();
  });

  it("F-B7 O8 every page of a snapshot and every change of a statement fits a frame, also with rows near the limit", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    const written = wide(ROW_BYTES_MAX - 1_000);
    await cloud.sql(
      `insert into note (tenant_id, id, barn_id, title, body) select 't1', gen_random_uuid(), 'b1', 'n' || n,
        case when n % 7 = 3 then $1 else repeat('\u65e5', n * 300) end from generate_series(1, 30) n`,
      [written],
    );
    const changes = await cloud.sql(
      "select max(octet_length(body)) as bytes, count(*)::int as n from hayloft.change where table_name = 'note'",
    );
    expect(Number(changes[0]?.["bytes"])).toBeLessThanOrEqual(ROW_BYTES_MAX);
    expect(Number(changes[0]?.["n"])).toBeGreaterThan(4);
    let cursor: SnapshotCursor | null = null;
    let pages = 0;
    const at = { tenant: TENANT, incarnation: newId(), position: 1 };
    do {
      const chunk = await cloud.storage.readSnapshot(edge.grant(), TENANT, cursor, defaultSessionLimits.pageBytes);
      if (chunk === null) break;
      expect(encodeFrame({ type: "page", at, chunk }).length).toBeLessThanOrEqual(defaultLimits.frameBytesMax);
      await edge.storage.applySnapshot(cloud.nodeId, [chunk], at);
      pages += 1;
      cursor = chunk.next;
    } while (cursor !== null);
    expect(pages).toBeGreaterThan(8);
    expect(await edge.sql("select id::text as id, md5(body) as body from note order by id")).toEqual(
      await cloud.sql("select id::text as id, md5(body) as body from note order by id"),
    );
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-B7 columns of two writers that add up to a row above the limit: the later commit is refused, and what follows flows", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    const id = newId();
    await cloud.sql(NOTE, [id, null]);
    await exchange(edge, cloud);
    await cloud.sql("update note set body = $1", ["a".repeat(500_000)]);
    await edge.sql("update note set first_seen = $1", ["b".repeat(500_000)]);
    await edge.sql(NOTE, [newId(), "after"]);
    const commits = await edge.commits();
    expect(commits.slice(-2).every((commit) => commitHashHolds(commit))).toBe(true);
    const { outcomes } = await pushUp(edge, cloud);
    expect(outcomes).toMatchObject([{ outcome: "refused", code: "row-too-large" }]);
    expect(await cloud.sql("select length(body) as body, first_seen from note where id = $1::uuid", [id])).toEqual([
      { body: 500_000, first_seen: null },
    ]);
    expect(await cloud.sql("select id from note")).toHaveLength(2);
    expect(await listQuarantine(edge.database, TENANT)).toMatchObject([{ code: "row-too-large" }]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
