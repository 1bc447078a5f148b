import { expect, it } from "vitest";
import { stepwiseDatabase } from "../apply/failing-database.ts";
import { BARN, exchange, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";

const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b1', repeat('x', 200))";

eachDatabase("refused commits with a backlog behind them", (open) => {
  // Few keys are looked for by the database, many by reading; and of either there is more than one page.
  it.each([3, 70])("S4.1 F-D2 the backlog is read once for %d answers, and rows of later commits stay", async (refused) => {
    const [cloud, edge] = [await TestReplica.open(open, "cloud"), await TestReplica.open(open, "edge")];
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    await edge.database.script("alter table note drop constraint note_title_check");
    const [touched = "", ...others] = Array.from({ length: refused }, newId);
    const [from = 0] = (await edge.storage.heads([TENANT])).map(({ position }) => position);
    for (const id of [touched, ...others]) await edge.sql(NOTE, [id]);
    await edge.database.script(`do $$ begin
      for i in 1 .. 210 loop update note set price = i where id = '${touched}'; commit; end loop; end $$`);
    const slice = await edge.slice(cloud, "up", 0, null, { bytesMax: 1e9, rowsMax: 1e9 });
    const inserts = slice.commits.findLastIndex(({ changes }) => changes.some(({ op }) => op === "insert"));
    const { outcomes, position } = await cloud.storage.apply({
      peer: edge.nodeId,
      from: "child",
      grant: edge.grant(),
      slice: { ...slice, commits: slice.commits.slice(0, inserts + 1), upTo: from + refused },
    });
    expect(outcomes.map(({ code }) => code)).toEqual(Array.from({ length: refused }, () => "refused-constraint"));
    let reads = 0;
    const counting = stepwiseDatabase(edge.database, async (sql) => {
      reads += /join (?:hayloft\.change|mentioned) ch/.test(sql) ? 1 : 0;
    });
    const { incarnation } = slice;
    const ack = { peer: cloud.nodeId, tenant: TENANT, incarnation, position, top: true, outcomes };
    await edge.over(counting).recordAcknowledgement(ack);
    expect(await edge.sql("select id, price::int from note")).toEqual([{ id: touched, price: 210 }]);
    // 210 changes in pages of 200.
    expect(reads).toBe(2);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
