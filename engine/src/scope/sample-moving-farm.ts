import { catalog } from "../catalog/catalog.ts";
import { text, uuid } from "../catalog/column.ts";
import { lastWriterWins, singleWriter } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";
import { nodeTable } from "../identity/node-table.ts";

/** A catalog for tests in which rows move: houses of farms, visits of a house (which keep the farm of their day), remarks on visits. */

const everywhere = { cloud: forever, edge: forever, tablet: forever };
const sample = { group: "sample", category: "operational", about: "A table of the tests." } as const;
const shared = {
  ...sample,
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins(),
  retain: everywhere,
} as const;

const house = table("house", {
  ...sample,
  columns: { tenant_id: text(), id: text(), farm_id: text(), name: text() },
  scope: { tenant: "tenant_id", farm: "farm_id" },
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: everywhere,
});

const visit = table("visit", {
  ...shared,
  columns: { tenant_id: text(), id: uuid(), farm_id: text(), house_id: text(), title: text() },
  references: [{ columns: ["tenant_id", "house_id"], table: "house" }],
  scope: { tenant: "tenant_id", farm: "farm_id" },
});

const remark = table("visit_remark", {
  ...shared,
  columns: { tenant_id: text(), id: uuid(), visit_id: uuid(), remark: text() },
  references: [{ columns: ["tenant_id", "visit_id"], table: "visit" }],
  scope: { tenant: "tenant_id" },
});

export const movingFarm = catalog({
  name: "moving-farm",
  version: 1,
  oldestVersion: 1,
  tiers: ["cloud", "edge", "tablet"],
  scopes: ["farm"],
  sharedTenant: "shared",
  tables: [visit, remark, house, nodeTable(["cloud", "edge", "tablet"])],
});
