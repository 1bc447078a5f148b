import { expect, it } from "vitest";
import { derivedId } from "../catalog/derived-id.ts";
import type { CellText, Change } from "../commit/commit.ts";
import { isHayloftError } from "../error/hayloft-error.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { newId } from "../identity/new-id.ts";
import { listQuarantine } from "../quarantine/held-commit.ts";
import { asOffer } from "../incarnation/offered-change.ts";
import { eachDatabase } from "../testing/each-database.ts";
import { Forger } from "./forger.ts";
import { BARN, TENANT, TestReplica } from "./test-replica.ts";

const NOW = "2026-11-01 10:00:00+00";
type Row = Readonly<Record<string, CellText>>;

/** A sound row of each table, written by the tier that may. */
const rows: Readonly<Record<string, Row>> = {
  barn: { tenant_id: "t1", id: "b9", name: "New", location: null, capacity: null },
  reading: { tenant_id: "t1", id: newId(), barn_id: "b1", value: "1.00", event_id: "e", occurred_at: NOW },
  entry: { tenant_id: "t1", id: newId(), barn_id: "b1", text: "t", amount: "1" },
  note: { tenant_id: "t1", id: newId(), barn_id: "b1", title: "n" },
  session: { tenant_id: "t1", id: newId(), barn_id: "b1", batch: "1", weight: null, remark: null },
  daily_count: {
    tenant_id: "t1",
    id: derivedId("daily_count", ["t1", "b1", "2026-01-01"]),
    barn_id: "b1",
    day: "2026-01-01",
    animals: "4",
    remark: null,
  },
  device_status: { tenant_id: "t1", id: "d1", barn_id: "b1", status: "on", last_seen_at: NOW },
  replica_node: {
    tenant_id: "t1",
    id: newId(),
    name: "x",
    tier: "edge",
    role: "admin",
    public_key: "k",
    scopes: "{}",
    status: "active",
    enrolled_at: NOW,
    revoked_at: null,
    updated_at: NOW,
  },
};

const change = (table: string, op: Change["op"], row: Row): Change => ({
  table,
  op,
  columns: Object.keys(row),
  values: Object.values(row).map((value) => [value]),
  rowCount: 1,
});

eachDatabase("authority", (open) => {
  const start = async (): Promise<readonly [TestReplica, Forger]> => {
    const cloud = await TestReplica.open(open, "cloud");
    await cloud.sql(BARN, ["b1", "Barn one"]);
    await cloud.sql(BARN, ["b2", "Barn two"]);
    return [cloud, new Forger(cloud)];
  };

  it("F-G5 F-G6 F-G8 P-C9 T-C9 for every table: another tenant's row, another scope, another tier and an unknown column are refused", async () => {
    const [cloud, forger] = await start();
    const before = await cloud.digest();
    for (const [table, row] of Object.entries(rows)) {
      const declared = cloud.catalog.byName.get(table);
      const may =
        declared?.writers.includes("edge") === true && !(declared.rule.kind === "singleWriter" && declared.rule.tier !== "edge");
      const expected = (code: ErrorCode): ErrorCode => (may ? code : "refused-writer");
      expect(await forger.codeOf([change(table, "insert", { ...row, tenant_id: "t2" })]), table).toBe(expected("refused-scope"));
      const scope = declared?.scope["barn"];
      if (scope !== undefined) {
        const outside = change(table, "insert", { ...row, [scope]: "b2" });
        expect(await forger.codeOf([outside], {}, { scopes: { barn: ["b1"] } }), table).toBe(expected("refused-scope"));
      }
      expect(await forger.codeOf([change(table, "insert", { ...row, no_such_column: "1" })]), table).toBe("refused-schema");
      expect(await forger.codeOf([change(table, "insert", row)], { tier: "cloud" }), table).toBe("refused-writer");
      if (!may) expect(await forger.codeOf([change(table, "insert", row)]), table).toBe("refused-writer");
    }
    expect(await cloud.digest()).toEqual(before);
    expect((await listQuarantine(cloud.database, TENANT)).length).toBeGreaterThan(20);
    await cloud.close();
  });

  it("refuses unknown tables, local tables, ragged vectors and a missing key", async () => {
    const [cloud, forger] = await start();
    const { note } = rows;
    if (note === undefined) throw new Error("no row");
    const sound = change("note", "insert", note);
    expect(await forger.codeOf([change("no_such_table", "insert", note)])).toBe("refused-schema");
    expect(await forger.codeOf([{ ...sound, values: sound.values.slice(1) }])).toBe("refused-schema");
    expect(await forger.codeOf([change("note", "insert", { ...note, id: null })])).toBe("refused-schema");
    for (const id of ["", "x", "00000000-0000-0000-0000-00000000000G", newId().toUpperCase(), "a\0b"]) {
      expect(await forger.codeOf([change("note", "insert", { ...note, id })])).toBe("refused-schema");
    }
    expect(await forger.codeOf([change("note", "insert", { ...note, title: "a\0b" })])).toBe("refused-constraint");
    expect(await forger.codeOf([change("note", "insert", { ...note, price: "many" })])).toBe("refused-constraint");
    expect(await forger.codeOf([change("note", "insert", { ...note, title: "\ud800" })])).not.toBe(undefined);
    expect(await forger.codeOf([change("note", "insert", { ...note, $stamps: "{}" })])).toBe("refused-schema");
    expect(await forger.codeOf([change("note", "insert", { ...note, $refused: "1 x" })])).toBe("refused-schema");
    expect(await forger.codeOf([{ ...sound, columns: [...sound.columns, "title"], values: [...sound.values, ["again"]] }])).toBe(
      "refused-schema",
    );
    await cloud.close();
  });

  it("F-G5 a row of the scope of somebody else is neither changed nor deleted by a guessed key, nor shown in the truth", async () => {
    const [cloud, forger] = await start();
    const id = newId();
    await cloud.sql("insert into note (tenant_id, id, barn_id, title) values ('t1', $1, 'b2', 'secret')", [id]);
    const scopes = { barn: ["b1"] };
    const mine = { tenant_id: "t1", id, barn_id: "b1", title: "taken over" };
    for (const attempt of [
      change("note", "update", { ...mine, $changed: "title,barn_id" }),
      change("note", "insert", mine),
      change("note", "delete", { tenant_id: "t1", id, barn_id: "b1" }),
    ]) {
      const { outcomes } = await forger.send([attempt], {}, { scopes });
      expect(outcomes).toMatchObject([{ outcome: "refused", code: "refused-scope" }]);
      expect(outcomes.flatMap(({ truth }) => truth.map(({ op }) => op))).toEqual(["delete"]);
      expect(JSON.stringify(outcomes, (_, value: unknown) => (typeof value === "bigint" ? "" : value))).not.toContain("secret");
    }
    // Nor by an offer to a parent that was set back, when it does not say where the row belongs.
    await cloud.sql(
      "insert into hayloft.recovery (tenant_id, peer, incarnation, position, our_position) values ('t1', $1, $2, 1, 0)",
      [forger.node, newId()],
    );
    const $stamps = JSON.stringify({ $row: [String(BigInt(Date.now()) << 16n), forger.node] });
    const offer = asOffer(change("note", "insert", { tenant_id: "t1", id, title: "taken over", $stamps }));
    expect((await forger.send([offer], {}, { scopes })).commitsApplied).toBe(1);
    expect(await cloud.sql("select title, barn_id from note")).toEqual([{ title: "secret", barn_id: "b2" }]);
    await cloud.close();
  });

  it("P-C9 a slice for another tenant than the grant's is thrown out whole, and not even its refusal is written", async () => {
    const [cloud, forger] = await start();
    const before = await cloud.fingerprint();
    const refused = expect.toSatisfy((error: unknown) => isHayloftError(error, "refused-scope"));
    await expect(forger.send([], {}, { tenant: "t2" })).rejects.toEqual(refused);
    await expect(new Forger(cloud).send([], { tenant: "t2" })).rejects.toEqual(refused);
    expect(await cloud.fingerprint()).toBe(before);
    await cloud.close();
  });

  it("F-G6 columns of another tier, append-only rows and natural keys cannot be changed", async () => {
    const [cloud, forger] = await start();
    const [note, entry, count] = [rows["note"], rows["entry"], rows["daily_count"]];
    expect(await forger.codeOf([change("note", "insert", { ...note, approved_by: "me" })])).toBe("refused-writer");
    expect(await forger.codeOf([change("note", "insert", { ...note, approved_by: null })])).toBe(null);
    expect(await forger.codeOf([change("note", "update", { ...note, approved_by: "me", $changed: "approved_by" })])).toBe(
      "refused-writer",
    );
    expect(await forger.codeOf([change("entry", "insert", entry ?? {})])).toBe(null);
    expect(await forger.codeOf([change("entry", "update", { ...entry, amount: "2", $changed: "amount" })])).toBe("refused-rule");
    expect(await forger.codeOf([change("entry", "delete", { tenant_id: "t1", id: entry?.["id"] ?? "", barn_id: "b1" })])).toBe(
      "refused-rule",
    );
    expect(await forger.codeOf([change("entry", "insert", { ...entry, amount: "2" })])).toBe("refused-content");
    expect(await forger.codeOf([change("daily_count", "update", { ...count, day: "2026-01-09", $changed: "day" })])).toBe(
      "refused-rule",
    );
    expect(await forger.codeOf([change("daily_count", "insert", { ...count, id: newId() })])).toBe("refused-rule");
    expect(await forger.codeOf([change("daily_count", "insert", count ?? {})])).toBe(null);
    expect(await cloud.sql("select amount from entry")).toEqual([{ amount: 1 }]);
    await cloud.close();
  });

  it("F-G8 F-G3 a relayed author must be enrolled, active and of the tier and scope that the registry says", async () => {
    const [cloud, forger] = await start();
    const tablet = newId();
    const note = (): Change => change("note", "insert", { ...rows["note"], id: newId() });
    const relayed = { node: tablet, tier: "tablet" };
    expect(await forger.codeOf([note()], relayed)).toBe("refused-writer");
    await cloud.sql(
      `insert into replica_node (tenant_id, id, name, tier, role, public_key, scopes) values ('t1', $1, 't', 'tablet', 'worker', 'k', '{"barn":["b1"]}')`,
      [tablet],
    );
    expect(await forger.codeOf([note()], relayed)).toBe(null);
    expect(await forger.codeOf([note()], { node: tablet, tier: "edge" })).toBe("refused-writer");
    const elsewhere = change("note", "insert", { ...rows["note"], id: newId(), barn_id: "b2" });
    expect(await forger.codeOf([elsewhere], relayed)).toBe("refused-scope");
    await cloud.sql("update replica_node set status = 'revoked'");
    expect(await forger.codeOf([note()], relayed)).toBe("refused-writer");
    await cloud.close();
  });
});
