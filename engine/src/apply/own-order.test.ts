import { expect, it } from "vitest";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { BARN, exchange, pushUp, TestReplica } from "./test-replica.ts";

const [kept, back, gone] = [newId(), newId(), newId()];
const NOTE = "insert into note (tenant_id, id, barn_id, title, body) values ('t1', $1, 'b1', $2, $3)";

eachDatabase("several changes of one row in one commit", (open) => {
  it("apply in the order in which the transaction made them, whatever their values", async () => {
    const [cloud, edge] = [await TestReplica.open(open, "cloud"), await TestReplica.open(open, "edge")];
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    await edge.sql(NOTE, [back, "first", "first"]);
    await edge.sql(NOTE, [gone, "first", "first"]);
    await exchange(edge, cloud);
    await edge.database.transaction(async (tx) => {
      await tx.query(NOTE, [kept, "zzz", "zzz"]);
      await tx.query("update note set title = 'aaa', body = null where id = $1", [kept]);
      await tx.query("update note set title = 'bbb' where id = $1", [kept]);
      await tx.query("delete from note where id = $1", [back]);
      await tx.query(NOTE, [back, "again", null]);
      await tx.query("update note set title = 'second' where id = $1", [gone]);
      await tx.query("delete from note where id = $1", [gone]);
    });
    await pushUp(edge, cloud);
    const rows = "select id, title, body from note order by title";
    expect(await cloud.sql(rows)).toEqual([
      { id: back, title: "again", body: null },
      { id: kept, title: "bbb", body: null },
    ]);
    expect(await edge.sql(rows)).toEqual(await cloud.sql(rows));
    expect(await cloud.digest(["note"])).toEqual(await edge.digest(["note"]));
    // What the state says of the rows is what later changes are merged with.
    await cloud.sql("update note set body = 'later' where id = $1", [back]);
    await exchange(edge, cloud);
    expect(await edge.sql("select title, body from note where id = $1", [back])).toEqual([{ title: "again", body: "later" }]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
