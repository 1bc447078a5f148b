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

export const sharedTenant = "everyone";

export const simCatalog = catalog({
  name: "simulation",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant,
  tables: [nodeTable(tiers), event, note, master],
});

/** The tables that the simulator fills, with the columns of a whole row image. */
export const simTables = { event, note, master } as const;
export type SimTable = keyof typeof simTables;
