import { expect, it } from "vitest";
import { BARN, exchange, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { listQuarantine } from "./held-commit.ts";
import { RELEASE_MAX } from "./release-held.ts";

eachDatabase("releasing held commits", (open) => {
  it("F-D4 commits that can never be applied hold up none behind them", async () => {
    const cloud = await TestReplica.open(open, "cloud");
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    await edge.database.script("alter table note drop constraint note_tenant_id_barn_id_fkey");
    const note = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, $2, 'x')";
    for (let count = 0; count < RELEASE_MAX + 5; count += 1) await edge.sql(note, [newId(), "never"]);
    await edge.sql(note, [newId(), "late"]);
    await pushUp(edge, cloud);
    expect(await listQuarantine(cloud.database, TENANT)).toHaveLength(RELEASE_MAX + 6);
    await cloud.sql(BARN, ["late", "Late"]);
    expect(await cloud.storage.releaseHeld(TENANT)).toBe(1);
    expect(await cloud.sql("select barn_id from note")).toEqual([{ barn_id: "late" }]);
    expect(await cloud.storage.releaseHeld(TENANT)).toBe(0);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
