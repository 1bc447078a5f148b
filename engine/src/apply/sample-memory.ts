import { catalog } from "../catalog/catalog.ts";
import { bigint, boolean, integer, jsonb, numeric, oneOf, text } from "../catalog/column.ts";
import { column, lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { quarantineTables } from "../quarantine/quarantine-tables.ts";

/** A catalog for the tests of rules that merge operations. */

const stock = table("stock", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: {
    tenant_id: text(),
    id: text(),
    name: text().nullable(),
    on_hand: integer().default("0"),
    weight: numeric(10, 2).default("0"),
    moves: bigint().default("0"),
    labels: jsonb<readonly string[]>().default("'[]'"),
    days: integer().nullable(),
    place: text().nullable(),
  },
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: {
      on_hand: column.counter(),
      weight: column.counter(),
      moves: column.counter(),
      labels: column.setUnion(),
      days: column.review({ show: "max" }),
      place: column.review({ show: { tier: "edge" } }),
    },
  }),
  retain: { cloud: forever, edge: forever, tablet: forever },
});

const ended = (name: string, deletes: "later" | "deleteWins" | "updateWins") =>
  table(name, {
    group: "sample",
    category: "operational",
    about: "A table of the tests.",
    columns: { tenant_id: text(), id: text(), name: text().nullable(), heads: integer().default("0") },
    scope: { tenant: "tenant_id" },
    writers: ["cloud", "edge", "tablet"],
    flow: "both",
    rule: lastWriterWins({ columns: { heads: column.counter() } }),
    deletes,
    retain: { cloud: forever, edge: forever, tablet: forever },
  });

/** Columns that only move one way or are set once, and a counter that the tablet may not see. */
const lot = table("lot", {
  group: "sample",
  category: "operational",
  about: "A table of the tests.",
  columns: {
    tenant_id: text(),
    id: text(),
    name: text().nullable(),
    best: integer().nullable(),
    least: integer().nullable(),
    is_done: boolean().default("false"),
    stage: oneOf("open", "held", "closed").default("'open'"),
    first_by: text().nullable(),
    cost: integer().default("0"),
  },
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: {
      best: column.max(),
      least: column.min(),
      is_done: column.or(),
      stage: column.lattice({ open: ["held"], held: ["closed"], closed: [] }),
      first_by: column.setOnce(),
      cost: column.counter(),
    },
  }),
  hidden: { tablet: ["cost"] },
  retain: { cloud: forever, edge: forever, tablet: forever },
});

export const sampleMemory = catalog({
  name: "sample-memory",
  version: 1,
  oldestVersion: 1,
  tiers: ["cloud", "edge", "tablet"],
  scopes: [],
  sharedTenant: "shared",
  tables: [
    ...quarantineTables(["cloud", "edge", "tablet"]),
    stock,
    lot,
    ended("pen", "later"),
    ended("gate", "deleteWins"),
    ended("herd", "updateWins"),
  ],
});
