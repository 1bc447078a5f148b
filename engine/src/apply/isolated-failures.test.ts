import { expect, it } from "vitest";
import { HayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { stepwiseDatabase } from "./failing-database.ts";
import { BARN, exchange, pushUp, TestReplica } from "./test-replica.ts";

const ENTRY = "insert into entry values ('t1', $1, 'b1', $2, 1)";

eachDatabase("failures of one commit", (open) => {
  const start = async (project: (what: string) => void): Promise<readonly [TestReplica, TestReplica]> => {
    const entry = async (_: unknown, change: { readonly values: readonly (readonly (string | null)[])[] }): Promise<void> => {
      for (const value of change.values.flat()) project(value ?? "");
      await Promise.resolve();
    };
    const cloud = await TestReplica.open(open, "cloud", { projections: { entry } });
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    return [cloud, edge];
  };
  const texts = async (replica: TestReplica): Promise<readonly unknown[]> =>
    (await replica.sql("select left(text, 4) as text from entry order by 1")).map((row) => row["text"]);

  it("F-G1 a value too large for an index is refused alone, and the stream flows on", async () => {
    const [cloud, edge] = await start(() => undefined);
    await cloud.database.script("create index entry_text_idx on entry (text)");
    const long = Array.from({ length: 2_000 }, () => newId()).join("");
    for (const value of ["one", long, "two"]) await edge.sql(ENTRY, [newId(), value]);
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes).toMatchObject([{ outcome: "refused", code: "refused-constraint" }]);
    expect(await texts(cloud)).toEqual(["one", "two"]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-G1 one or many refused among many: the rest is written, and one that the database names costs a few statements", async () => {
    let statements = 0;
    const counted: typeof open = async (preparation) =>
      stepwiseDatabase(await open(preparation), async () => {
        statements += 1;
        await Promise.resolve();
      });
    const cloud = await TestReplica.open(counted, "cloud");
    const edge = await TestReplica.open(open, "edge");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await exchange(edge, cloud);
    await cloud.database.script("alter table entry add constraint no_bad check (text <> 'bad')");
    const push = async (bad: (place: number) => boolean): Promise<number> => {
      const places = Array.from({ length: 64 }, (_, place) => place);
      for (const place of places) await edge.sql(ENTRY, [newId(), bad(place) ? "bad" : "good"]);
      const before = statements;
      const { outcomes } = await pushUp(edge, cloud);
      const refused = { outcome: "refused", code: "refused-constraint" };
      expect(outcomes).toMatchObject(places.filter(bad).map(() => refused));
      return statements - before;
    };
    const clean = await push(() => false);
    expect((await push((place) => place === 35)) - clean).toBeLessThan(20);
    expect((await push((place) => place % 11 === 0)) - clean).toBeLessThan(80);
    // The database names a partition, and not the table that was written.
    await cloud.database.script(`alter table entry rename to entry_all;
      create table entry (like entry_all, primary key (tenant_id, id)) partition by list (tenant_id);
      alter table entry attach partition entry_all for values in ('t1')`);
    expect((await push((place) => place === 35)) - clean).toBeLessThan(20);
    expect(await cloud.sql("select count(*)::integer as count from entry")).toEqual([{ count: 4 * 64 - 1 - 6 - 1 }]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-G1 a commit that a projection cannot take is refused alone, and the stream flows on", async () => {
    const [cloud, edge] = await start((what) => {
      if (what === "bad") throw new TypeError("what is this");
    });
    for (const value of ["one", "bad", "two"]) await edge.sql(ENTRY, [newId(), value]);
    const pushed = await pushUp(edge, cloud);
    expect(pushed.outcomes).toMatchObject([{ outcome: "refused", code: "refused-constraint" }]);
    expect(await texts(cloud)).toEqual(["one", "two"]);
    await Promise.all([cloud.close(), edge.close()]);
  });

  it("F-E8 a projection that meets a lost connection refuses nothing: the slice is tried again", async () => {
    let broken = true;
    const [cloud, edge] = await start(() => {
      if (broken) throw new HayloftError("sql-failed", { sqlstate: "08006" });
    });
    await edge.sql(ENTRY, [newId(), "one"]);
    await expect(pushUp(edge, cloud)).rejects.toMatchObject({ details: { sqlstate: "08006" } });
    broken = false;
    expect(await pushUp(edge, cloud)).toMatchObject({ commitsApplied: 1, outcomes: [] });
    await Promise.all([cloud.close(), edge.close()]);
  });
});
