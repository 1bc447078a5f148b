import { catalog } from "../catalog/catalog.ts";
import { text } from "../catalog/column.ts";
import { lastWriterWins, singleWriter } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { nodeTable } from "../identity/node-table.ts";
import { quarantineTables } from "./quarantine-tables.ts";

/** Three generations, a table that refers to itself, and one reference for each answer to a parent that was deleted. */

const tiers = ["cloud", "edge"] as const;
const base = {
  group: "forest",
  category: "operational",
  about: "A table of the tests.",
  scope: { tenant: "tenant_id" },
  writers: tiers,
  flow: "both",
  retain: { cloud: forever, edge: forever },
  rule: lastWriterWins(),
} as const;

const tree = table("tree", { ...base, columns: { tenant_id: text(), id: text(), name: text() } });

const branch = table("branch", {
  ...base,
  columns: { tenant_id: text(), id: text(), tree_id: text(), name: text() },
  indexes: [["tenant_id", "tree_id"]],
  references: [{ columns: ["tenant_id", "tree_id"], table: "tree" }],
});

const leaf = table("leaf", {
  ...base,
  columns: { tenant_id: text(), id: text(), branch_id: text(), beside_id: text().nullable() },
  indexes: [
    ["tenant_id", "branch_id"],
    ["tenant_id", "beside_id"],
  ],
  references: [
    { columns: ["tenant_id", "branch_id"], table: "branch" },
    { columns: ["tenant_id", "beside_id"], table: "leaf" },
  ],
});

/** Written at the top only; keeps no stamps. */
const soil = table("soil", {
  ...base,
  columns: { tenant_id: text(), id: text(), name: text() },
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
});

const stone = table("stone", {
  ...base,
  columns: { tenant_id: text(), id: text(), soil_id: text().nullable(), tree_id: text().nullable(), weight: text() },
  indexes: [
    ["tenant_id", "soil_id"],
    ["tenant_id", "tree_id"],
  ],
  references: [
    { columns: ["tenant_id", "soil_id"], table: "soil", onParentDeleted: "detach" },
    { columns: ["tenant_id", "tree_id"], table: "tree", onParentDeleted: "revive" },
  ],
});

/** Rows of one day are held together. */
const visit = table("visit", {
  ...base,
  columns: { tenant_id: text(), id: text(), day: text(), note: text() },
  holdTogether: { group: "day", columns: ["day"] },
});

export const forest = catalog({
  name: "forest",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant: "everyone",
  tables: [nodeTable(tiers), ...quarantineTables(tiers), tree, branch, leaf, soil, stone, visit],
});
