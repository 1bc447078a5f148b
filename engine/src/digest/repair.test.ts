import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { BARN, exchange, newReading, TENANT, TestReplica } from "../apply/test-replica.ts";
import { newId } from "../identity/new-id.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import type { TableComparison } from "./compare-with-parent.ts";
import { compare, damage, found, repairs } from "./test-damage.ts";

const NOTE = "insert into note (tenant_id, id, barn_id, title, body) values ('t1', $1, 'b1', 'one', 'two')";
const ENTRY = "insert into entry values ('t1', $1, 'b1', 'words', 5)";

const TABLES = ["barn", "reading", "entry", "note"];

const healed = (table: string, more: Partial<TableComparison>): object => expect.objectContaining(found(table, more));

eachDatabase("repair", (open) => {
  let hub: TestReplica;
  let edge: TestReplica;

  beforeAll(async () => {
    hub = await TestReplica.open(open, "cloud");
    edge = await TestReplica.open(freshPglite, "edge");
    await hub.sql(BARN, ["b1", "one"]);
    await exchange(edge, hub);
  });

  afterAll(async () => await Promise.all([hub.close(), edge.close()]));

  beforeEach(async () => {
    for (const replica of [hub, edge]) await damage(replica, "delete from hayloft.loss");
  });

  it("R-24-4 R-24-7 finds nothing between equal replicas and nothing in what is on its way", async () => {
    const note = newId();
    await hub.sql(NOTE, [note]);
    await edge.sql(newReading("e1"));
    await exchange(edge, hub);
    await exchange(edge, hub);
    expect(await compare(edge, hub, TABLES)).toEqual([]);
    await hub.sql("update note set body = 'from the hub'");
    await edge.sql("update note set title = 'from the edge'");
    await edge.sql(newReading("e2"));
    await hub.sql(ENTRY, [newId()]);
    const moving = await compare(edge, hub, TABLES);
    expect(moving.map(({ healedHere, healedAbove }) => healedHere + healedAbove)).toEqual(moving.map(() => 0));
    await exchange(edge, hub);
    expect(await edge.digest()).toEqual(await hub.digest());
    expect(await compare(edge, hub, TABLES)).toEqual([]);
    expect(await repairs(hub)).toEqual([]);
    expect(await repairs(edge)).toEqual([]);
  });

  it("R-24-5 R-24-8 R-24-10 sets a child's altered, deleted and invented rows right and puts what was there into the journal", async () => {
    const [note, gone] = [newId(), newId()];
    await hub.sql(NOTE, [note]);
    await hub.sql(NOTE, [gone]);
    await exchange(edge, hub);
    const commits = (await edge.commits()).length;
    await damage(edge, "update note set body = 'altered' where id = $1", [note]);
    await damage(edge, "delete from note where id = $1", [gone]);
    await damage(edge, "update barn set name = 'altered'");
    await damage(edge, "insert into barn values ('t1', 'b9', 'invented', 'x', null)");
    expect(await compare(edge, hub, TABLES)).toEqual([healed("barn", { healedHere: 2 }), healed("note", { healedHere: 2 })]);
    expect(await edge.digest()).toEqual(await hub.digest());
    expect(await repairs(hub)).toEqual([]);
    expect(await repairs(edge)).toEqual([
      ["barn", "$row", '{"name":"invented","location":"x","capacity":null}', null],
      ["barn", "name", "altered", "one"],
      ["note", "$deleted", null, null],
      ["note", "body", "altered", "two"],
    ]);
    expect(await compare(edge, hub, TABLES)).toEqual([]);
    expect(await edge.commits()).toHaveLength(commits);
  });

  it("R-24-6 R-24-8 R-24-9 R-24-10 sets a parent's damaged rows right by its own log and by the child's", async () => {
    const [note, entry] = [newId(), newId()];
    await edge.sql(NOTE, [note]);
    await edge.sql(ENTRY, [entry]);
    await edge.sql(newReading("altered"));
    await edge.sql(newReading("deleted"));
    await exchange(edge, hub);
    const before = await hub.digest();
    await damage(hub, "update note set title = 'altered' where id = $1", [note]);
    await damage(hub, "update entry set amount = 6 where id = $1", [entry]);
    await damage(hub, "update reading set value = 77 where event_id = 'altered'");
    await damage(hub, "delete from reading where event_id = 'deleted'");
    await damage(hub, "update barn set name = 'altered'");
    expect(await compare(edge, hub, TABLES)).toEqual([
      healed("barn", { healedAbove: 1 }),
      healed("reading", { healedAbove: 2 }),
      healed("entry", { healedAbove: 1 }),
      healed("note", { healedAbove: 1 }),
    ]);
    expect(await hub.digest()).toEqual(before);
    expect(await repairs(hub)).toEqual([
      ["barn", "name", "altered", "one"],
      ["entry", "amount", "6", "5"],
      ["note", "title", "altered", "one"],
      ["reading", "$deleted", null, null],
      ["reading", "value", "77.00", "1.00"],
    ]);
    expect(await repairs(edge)).toEqual([]);
  });

  it("R-24-5 brings back a row that only goes up and was deleted at the child, and no other child's", async () => {
    await edge.sql(newReading("mine"));
    await exchange(edge, hub);
    await damage(hub, newReading("theirs"));
    await damage(edge, "delete from reading where event_id = 'mine'");
    expect(await compare(edge, hub, TABLES)).toEqual([healed("reading", { healedHere: 1 })]);
    expect(await edge.sql("select event_id from reading where event_id in ('mine', 'theirs')")).toEqual([{ event_id: "mine" }]);
  });

  it("takes a write under session_replication_role = replica for the commit that it is, and sets right what was written with the triggers off", async () => {
    const [here, there, gone] = [newId(), newId(), newId()];
    for (const id of [here, there, gone]) await edge.sql(NOTE, [id]);
    await exchange(edge, hub);
    const without = async (replica: TestReplica, off: string, on: string, sql: string, id: string): Promise<void> =>
      await replica.database.transaction(async (tx) => {
        await tx.script(off);
        await tx.query(sql, [id]);
        await tx.script(on);
      });
    const role = ["set local session_replication_role = replica", "set local session_replication_role = origin"] as const;
    await without(hub, ...role, "update note set body = 'meant' where id = $1", here);
    expect((await compare(edge, hub, TABLES)).map(({ healedHere, healedAbove }) => healedHere + healedAbove)).toEqual([0]);
    await exchange(edge, hub);
    const before = await edge.digest();
    const again = `do $$ declare name name; begin
      for name in select tgname from pg_trigger where tgrelid = 'note'::regclass and not tgisinternal loop
        execute format('alter table note enable always trigger %I', name);
      end loop; end $$`;
    const triggers = ["alter table note disable trigger user", again] as const;
    await without(edge, ...triggers, "update note set body = 'unseen' where id = $1", here);
    await without(hub, ...triggers, "update note set body = 'unseen' where id = $1", there);
    await without(hub, ...triggers, "delete from note where id = $1", gone);
    expect(await compare(edge, hub, TABLES)).toEqual([healed("note", { healedHere: 1, healedAbove: 2 })]);
    expect(await hub.digest(["note"])).toEqual(before.filter(({ table }) => table === "note"));
    expect(await edge.digest()).toEqual(before);
    expect(await repairs(edge)).toEqual([["note", "body", "unseen", "meant"]]);
    expect(await repairs(hub)).toEqual([
      ["note", "$deleted", null, null],
      ["note", "body", "unseen", "two"],
    ]);
  });

  it("R-24-8 R-24-9 gives a parent that lost rows with its log those that the child's side may write; what only the parent writes goes at the child, into its journal", async () => {
    const [note, entry] = [newId(), newId()];
    await hub.sql(BARN, ["b7", "seven"]);
    await hub.sql(NOTE, [note]);
    await hub.sql("update note set approved_by = 'someone' where id = $1", [note]);
    await hub.sql(ENTRY, [entry]);
    await exchange(edge, hub);
    // A parent set back to before them, and a child that has them from pages of a snapshot, without their commits.
    for (const replica of [hub, edge]) await damage(replica, "delete from hayloft.change");
    for (const table of ["note", "entry"]) await damage(hub, `delete from ${table} where id in ($1, $2)`, [note, entry]);
    await damage(hub, "delete from barn where id = 'b7'");
    await damage(hub, "delete from hayloft.row_state where row_key = $1", [note]);
    expect(await compare(edge, hub, TABLES)).toEqual([
      healed("barn", { healedHere: 1 }),
      healed("entry", { healedAbove: 1 }),
      healed("note", { healedHere: 1, healedAbove: 1 }),
    ]);
    expect(await hub.sql("select title, body, approved_by from note where id = $1", [note])).toEqual([
      { title: "one", body: "two", approved_by: null },
    ]);
    const down = ["barn", "entry", "note"];
    expect(await edge.digest(down)).toEqual(await hub.digest(down));
    expect(await repairs(edge)).toEqual([
      ["barn", "$row", '{"name":"seven","location":"north","capacity":null}', null],
      ["note", "approved_by", "someone", null],
    ]);
    expect(await compare(edge, hub, TABLES)).toEqual([]);
  });

  it("R-24-3 R-24-9 R-24-11 tells a child nothing of rows outside of its grant or of hidden columns, and takes nothing for them", async () => {
    await hub.sql(BARN, ["b2", "two"]);
    const hidden = newId();
    await hub.sql("insert into entry values ('t1', $1, 'b2', 'secret', 1)", [hidden]);
    const grant = { ...edge.grant({ barn: ["b1"] }), tier: "tablet" };
    const asking = { peer: edge.nodeId, grant };
    const ask = { tenant: TENANT, kept: null, range: { after: null, to: null }, received: 1_000 };
    const rows = await hub.storage.compareRows(asking, {
      ...ask,
      table: "entry",
      keys: [hidden],
      digests: new Uint8Array(16).fill(1),
    });
    const told = rows.rows.filter(({ values }) => values[1]?.includes(hidden) === true);
    expect(told.map(({ op, columns }) => [op, columns])).toEqual([["delete", ["tenant_id", "id", "$kept"]]]);
    expect(JSON.stringify(rows)).not.toContain("secret");
    const barns = await hub.storage.compareRows(asking, { ...ask, table: "barn", keys: [], digests: new Uint8Array() });
    expect(barns.rows.map(({ columns, rowCount }) => [columns, rowCount])).toEqual([
      [["tenant_id", "id", "name", "capacity", "$kept"], 1],
    ]);
    const claim = { table: "entry", op: "insert", columns: ["tenant_id", "id", "barn_id", "text", "amount", "$kept"] } as const;
    for (const barn of ["b1", "b2"]) {
      const change = { ...claim, values: [["t1"], [hidden], [barn], ["forged"], ["2"], ["*"]], rowCount: 1 };
      expect(await hub.storage.takeRepair(asking, { tenant: TENANT, received: 1_000, rows: [change] })).toEqual({
        healed: 0,
        refused: 1,
      });
    }
    await expect(
      hub.storage.compareRows(asking, { ...ask, tenant: "t2", table: "entry", keys: [], digests: new Uint8Array() }),
    ).rejects.toThrow(/refused-scope/);
  });
});
