import {
  appendOnly,
  catalog,
  forever,
  integer,
  lastWriterWins,
  nodeTable,
  singleWriter,
  table,
  text,
  uuid,
} from "@hayloft/engine";
import { everyRule, everyRuleColumns } from "@hayloft/engine/testing";

const tiers = ["cloud", "edge", "tablet"] as const;
const everywhere = { cloud: forever, edge: forever, tablet: forever };
const base = { group: "simulation", category: "simulated", retain: everywhere, about: "A table of the simulator." } as const;

/** One row for each thing that happened; only ever inserted. `token` names its commit, `part` of `parts` its place in it. */
const event = table("event", {
  ...base,
  columns: {
    tenant_id: text(),
    id: uuid(),
    token: text(),
    part: integer(),
    parts: integer(),
    previous: text().nullable(),
    padding: text(),
  },
  scope: { tenant: "tenant_id" },
  writers: ["edge", "tablet"],
  flow: "up",
  rule: appendOnly(),
});

/** Few rows that everybody writes at once. */
const note = table("note", {
  ...base,
  columns: { tenant_id: text(), id: text(), left: text().nullable(), right: text().nullable() },
  scope: { tenant: "tenant_id" },
  writers: [...tiers],
  flow: "both",
  rule: lastWriterWins(),
});

/** Written at the top only; elsewhere a change of it is refused. */
const master = table("master", {
  ...base,
  columns: { tenant_id: text(), id: text(), value: text() },
  scope: { tenant: "tenant_id" },
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
});

/** Rows of every rule, which everybody writes, deletes and inserts again. */
const mixed = <Name extends string>(name: Name, deletes: "later" | "deleteWins" | "updateWins") =>
  table(name, {
    ...base,
    columns: everyRuleColumns,
    scope: { tenant: "tenant_id" },
    writers: [...tiers],
    flow: "both",
    rule: everyRule,
    deletes,
  });

const pen = mixed("pen", "later");
const gate = mixed("gate", "deleteWins");
const herd = mixed("herd", "updateWins");

export const sharedTenant = "everyone";

export const simCatalog = catalog({
  name: "simulation",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant,
  tables: [nodeTable(tiers), event, note, master, pen, gate, herd],
});

/** The tables that the simulator fills, with the columns of a whole row image. */
export const simTables = { event, note, master, pen, gate, herd } as const;
export type SimTable = keyof typeof simTables;

/** The tables with a column of every rule. */
export const mixedTables = ["pen", "gate", "herd"] as const;
export type MixedTable = (typeof mixedTables)[number];
export const isMixed = (name: string): name is MixedTable => mixedTables.some((known) => known === name);
