import { catalog } from "../catalog/catalog.ts";
import { bigint, integer, jsonb, numeric, text } from "../catalog/column.ts";
import { column, lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";

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

export const sampleMemory = catalog({
  name: "sample-memory",
  version: 1,
  oldestVersion: 1,
  tiers: ["cloud", "edge", "tablet"],
  scopes: [],
  sharedTenant: "shared",
  tables: [stock, ended("pen", "later"), ended("gate", "deleteWins"), ended("herd", "updateWins")],
});
