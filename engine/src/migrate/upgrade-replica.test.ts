import { expect, it } from "vitest";
import { fleetVersions } from "../testing/fleet-versions.ts";
import type { Database } from "../store/database.ts";
import { eachDatabase } from "../testing/index.ts";
import { catalog } from "../catalog/catalog.ts";
import { compareCatalog } from "./compare-catalog.ts";
import { migrate } from "./migrate.ts";
import type { MigrateOptions } from "./migrate.ts";

const [first, second, third] = fleetVersions;
const nodeId = "019abc00-0000-7000-8000-000000000001";
const parent = "019abc00-0000-7000-8000-000000000002";
const incarnation = "019abc00-0000-7000-8000-000000000003";

const options = (version: (typeof fleetVersions)[0]): MigrateOptions => ({ ...version, nodeId, tier: "edge" });

async function statesOf(database: Database): Promise<unknown> {
  const { rows } = await database.query<{ table_name: string; row_key: string; stamps: Readonly<Record<string, unknown>> }>(
    "select table_name, row_key, stamps from hayloft.row_state order by table_name, row_key",
  );
  return rows.map(({ table_name: table, row_key: key, stamps }) => {
    const { $cells: cells, ...others } = stamps;
    return { table, key, columns: Object.keys(others).toSorted(), ...(cells === undefined ? {} : { cells }) };
  });
}

eachDatabase("the upgrade of a replica", (open) => {
  it("S11.5 from version to version every database is as its catalog says, and stamps follow their columns", async () => {
    const database = await open();
    await migrate(database, options(first));
    await database.script(`insert into note (tenant_id, id, body, mood) values ('t', 'a', 'hay', 'good'), ('t', 'b', 'straw', null);
      update note set body = 'more hay', mood = 'bad' where id = 'a';`);
    await database.query("delete from note where id = 'b'");
    await migrate(database, options(second));
    expect(await compareCatalog(database, second.catalog)).toEqual([]);
    expect(await statesOf(database)).toEqual([
      { table: "note", key: "a", columns: ["$row", "mood", "pinned", "words"] },
      {
        table: "note",
        key: "b",
        columns: ["$deleted", "$row", "pinned"],
        cells: { words: "straw", mood: null, pinned: "false" },
      },
    ]);
    await migrate(database, options(third));
    expect(await compareCatalog(database, third.catalog)).toEqual([]);
    expect(await statesOf(database)).toEqual([
      { table: "note", key: "a", columns: ["$row", "pinned", "words"] },
      { table: "note", key: "b", columns: ["$deleted", "$row", "pinned"], cells: { words: "straw", pinned: "false" } },
    ]);
    const { rows } = await database.query("select catalog_version from hayloft.commit order by position");
    expect(rows).toEqual([{ catalog_version: 1 }, { catalog_version: 1 }]);
    await database.close();
  });

  it("F-F1 asks the parent again for the tables that were held in part, from where the log stands", async () => {
    const database = await open();
    await migrate(database, options(first));
    await database.query(
      `insert into hayloft.peer (node_id, tenant_id, relation, received_incarnation, received_position)
      values ($1::uuid, 't', 'parent', $2::uuid, 7), ($1::uuid, 'new', 'parent', null, null)`,
      [parent, incarnation],
    );
    const asked = async (): Promise<unknown> =>
      (await database.query("select tenant_id, snapshot_cursor as asked from hayloft.peer order by tenant_id")).rows;
    const at = { tenant: "t", incarnation, position: 7 };
    await migrate(database, options(second));
    expect(await asked()).toEqual([
      { tenant_id: "new", asked: null },
      { tenant_id: "t", asked: { at, cursor: null, tables: ["place", "note", "tag"] } },
    ]);
    await migrate(database, options(third));
    expect(await asked()).toEqual([
      { tenant_id: "new", asked: null },
      { tenant_id: "t", asked: { at, cursor: null, tables: ["gauge", "tag", "site", "note"] } },
    ]);
    await database.close();
  });

  it("S11.4 refuses a database of a newer version, and one that the history does not reach", async () => {
    const database = await open();
    await migrate(database, options(third));
    const older = { ...options(third), catalog: second.catalog };
    await expect(migrate(database, older)).rejects.toMatchObject({ code: "database-newer" });
    const late = catalog({ ...third.catalog, version: 5, oldestVersion: 5, history: [{ version: 5, changes: [] }] });
    await expect(migrate(database, { ...options(third), catalog: late })).rejects.toMatchObject({
      code: "migration-invalid",
      details: { reason: expect.stringContaining("Start a version in between first") as unknown },
    });
    const { rows } = await database.query("select catalog_version from hayloft.replica");
    expect(rows).toEqual([{ catalog_version: 3 }]);
    await database.close();
  });
});
