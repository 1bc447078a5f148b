import { expect, it } from "vitest";
import type { Change } from "../commit/commit.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { BARN, exchange, newReading, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { listQuarantine } from "./held-commit.ts";
import type { OpenDatabase } from "../testing/preparation.ts";

const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, $2, $3)";
const long = "x".repeat(200);

const heldOf = async (replica: TestReplica): Promise<readonly unknown[]> =>
  (await listQuarantine(replica.database, TENANT, { state: "any" })).map(({ seq, code, state, cause }) => [
    seq,
    code,
    state,
    cause?.seq ?? null,
  ]);

/** An edge whose own checks are weaker than the hub's, and a hub with one barn. */
async function looseEdge(open: OpenDatabase): Promise<readonly [TestReplica, TestReplica]> {
  const cloud = await TestReplica.open(open, "cloud");
  const edge = await TestReplica.open(open, "edge");
  await cloud.sql(BARN, ["b1", "Barn one"]);
  await exchange(edge, cloud);
  await edge.database.script("alter table note drop constraint note_title_check");
  return [cloud, edge];
}

const originOf = async (replica: TestReplica): Promise<string> => (await replica.storage.heads([TENANT]))[0]?.incarnation ?? "";

const shorter = (changes: readonly Change[]): readonly Change[] =>
  changes.map((change) => ({
    ...change,
    values: change.values.map((vector) => vector.map((value) => (value === long ? "short" : value))),
  }));

eachDatabase("a held commit", (open) => {
  it("S10.7 is corrected and sent again by its author, and what was written on it follows", async () => {
    const [cloud, edge] = await looseEdge(open);
    const [first, other] = [newId(), newId()];
    await edge.sql(NOTE, [first, "b1", long]);
    await edge.sql("update note set price = 7");
    await edge.sql(NOTE, [other, "b1", "stands by itself"]);
    await pushUp(edge, cloud);
    expect(await cloud.sql("select title from note")).toEqual([{ title: "stands by itself" }]);
    for (const replica of [cloud, edge])
      expect(await heldOf(replica)).toEqual([
        [1, "refused-constraint", "held", null],
        [2, "refused-dependent", "held", 1],
      ]);
    expect(await edge.sql("select id from note")).toEqual([{ id: other }]);
    const name = { tenant: TENANT, origin: await originOf(edge), seq: 1 };
    const replacement = await edge.storage.quarantine.resend(name, { edit: shorter, person: "ann" });
    expect(replacement).toEqual({ origin: name.origin, seq: 4 });
    expect(await edge.storage.quarantine.resend(name, { edit: shorter })).toEqual(replacement);
    await pushUp(edge, cloud);
    await pushUp(edge, cloud);
    for (const replica of [cloud, edge]) {
      expect((await heldOf(replica)).map((row) => (row as readonly unknown[])[2])).toEqual(["resent", "applied"]);
      expect(await replica.sql("select title, price from note where id = $1", [first])).toEqual([
        { title: "short", price: "7.00" },
      ]);
    }
    await pullDown(edge, cloud);
    expect(await edge.digest(["note"])).toEqual(await cloud.digest(["note"]));
    expect(await cloud.sql("select person, action, new_seq from replica_quarantine_action")).toEqual([
      { person: "ann", action: "resent", new_seq: 4 },
    ]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("S10.7 is discarded at the hub with what builds on it, with a reason, and its author sees that", async () => {
    const [cloud, edge] = await looseEdge(open);
    const id = newId();
    await edge.sql(NOTE, [id, "b1", long]);
    await edge.sql("update note set price = 7");
    await pushUp(edge, cloud);
    const name = { tenant: TENANT, origin: await originOf(edge), seq: 1 };
    const blank = await cloud.storage.quarantine.discard(name, { reason: " " }).catch((error: unknown) => error);
    expect(isHayloftError(blank, "request-invalid")).toBe(true);
    await cloud.storage.quarantine.discard(name, { reason: "written twice", person: "ben" });
    await cloud.storage.quarantine.discard(name, { reason: "again", person: "ben" });
    const late = await cloud.storage.quarantine.resend(name).catch((error: unknown) => error);
    expect(isHayloftError(late, "quarantine-closed")).toBe(true);
    expect((await cloud.storage.tendHeld(TENANT)).untold).toBe(true);
    await pushUp(edge, cloud);
    expect((await cloud.storage.tendHeld(TENANT)).untold).toBe(false);
    for (const replica of [cloud, edge])
      expect((await heldOf(replica)).map((row) => (row as readonly unknown[])[2])).toEqual(["discarded", "discarded"]);
    expect(await cloud.sql("select person, reason from replica_quarantine_action")).toEqual([
      { person: "ben", reason: "written twice" },
    ]);
    await pullDown(edge, cloud);
    expect(await edge.sql("select person, reason from replica_quarantine_action")).toEqual([{ person: null, reason: null }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("a tier that may not write the table is told to send it again where the table is owned, and it stays held", async () => {
    const [cloud, edge] = await looseEdge(open);
    await cloud.database.script("alter table reading add constraint reading_low check (value < 1)");
    await edge.sql(newReading("e1", "5"));
    await pushUp(edge, cloud);
    const name = { tenant: TENANT, origin: await originOf(edge), seq: 1 };
    const refused = await cloud.storage.quarantine.resend(name).catch((error: unknown) => error);
    expect(isHayloftError(refused, "write-refused")).toBe(true);
    expect((await heldOf(cloud)).map((row) => (row as readonly unknown[])[2])).toEqual(["held"]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("settled on both tiers at once ends in one state, that of the replica which refused it", async () => {
    const [cloud, edge] = await looseEdge(open);
    const id = newId();
    await edge.sql(NOTE, [id, "b1", long]);
    await pushUp(edge, cloud);
    const name = { tenant: TENANT, origin: await originOf(edge), seq: 1 };
    await edge.storage.quarantine.resend(name, { edit: shorter });
    await cloud.storage.quarantine.discard(name, { reason: "no such note" });
    await pushUp(edge, cloud);
    await pushUp(edge, cloud);
    for (const replica of [cloud, edge]) {
      expect((await heldOf(replica)).map((row) => (row as readonly unknown[])[2])).toEqual(["discarded"]);
      expect(await replica.sql("select title from note")).toEqual([{ title: "short" }]);
    }
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("is still held when the correction is refused as well", async () => {
    const [cloud, edge] = await looseEdge(open);
    await edge.sql(NOTE, [newId(), "b1", long]);
    await pushUp(edge, cloud);
    const name = { tenant: TENANT, origin: await originOf(edge), seq: 1 };
    await edge.storage.quarantine.resend(name);
    await pushUp(edge, cloud);
    for (const replica of [cloud, edge])
      expect(await heldOf(replica)).toEqual([
        [1, "refused-constraint", "held", null],
        [2, "refused-constraint", "held", null],
      ]);
    expect(await edge.sql("select * from replica_quarantine_action")).toEqual([]);
    await Promise.all([cloud.close(), edge.close()]);
  });
});
