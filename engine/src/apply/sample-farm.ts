import { catalog } from "../catalog/catalog.ts";
import { boolean, date, integer, numeric, oneOf, text, timestamptz, uuid } from "../catalog/column.ts";
import { appendOnly, column, lastWriterWins, monotoneRow, naturalKey, singleWriter } from "../catalog/rule.ts";
import { days, forever, generations, table } from "../catalog/table.ts";
import { nodeTable } from "../identity/node-table.ts";
import { quarantineTables } from "../quarantine/quarantine-tables.ts";

/** A catalog for the tests of applying: one table per rule and flow, with scopes, foreign keys and a hidden column. */

const everywhere = { cloud: forever, edge: forever, tablet: forever };
const barnScope = { tenant: "tenant_id", barn: "barn_id" } as const;
const sample = { group: "sample", category: "operational", about: "A table of the tests." } as const;
const toBarn = { columns: ["tenant_id", "barn_id"], table: "barn" };

const barn = table("barn", {
  ...sample,
  columns: {
    tenant_id: text(),
    id: text(),
    name: text(),
    location: text().nullable(),
    capacity: integer().nullable().check("{} >= 0"),
  },
  scope: { tenant: "tenant_id", barn: "id" },
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: everywhere,
  hidden: { tablet: ["location"] },
});

const reading = table("reading", {
  ...sample,
  columns: {
    tenant_id: text(),
    id: uuid(),
    barn_id: text(),
    value: numeric(10, 2).check("{} < 1000"),
    event_id: text(),
    occurred_at: timestamptz(),
  },
  unique: [{ columns: ["tenant_id", "event_id"] }],
  references: [toBarn],
  scope: barnScope,
  writers: ["edge"],
  flow: "up",
  rule: appendOnly(),
  retain: { cloud: forever, edge: days(30, "occurred_at") },
  lane: 3,
});

const entry = table("entry", {
  ...sample,
  columns: { tenant_id: text(), id: uuid(), barn_id: text(), text: text(), amount: integer().check("{} < 1000") },
  references: [toBarn],
  scope: barnScope,
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: appendOnly(),
  retain: everywhere,
});

const note = table("note", {
  ...sample,
  columns: {
    tenant_id: text(),
    id: uuid(),
    barn_id: text(),
    title: text().check("length({}) < 100"),
    body: text().nullable(),
    price: numeric(10, 2).nullable(),
    first_seen: text().nullable(),
    seen_at: timestamptz().nullable(),
    least: integer().nullable(),
    is_done: boolean().default("false"),
    status: oneOf("open", "held", "paused", "closed").default("'open'"),
    approved_by: text().nullable(),
  },
  references: [toBarn],
  scope: barnScope,
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: {
      first_seen: column.setOnce(),
      seen_at: column.max(),
      least: column.min(),
      is_done: column.or(),
      status: column.lattice({ open: ["held", "paused"], held: ["closed"], paused: ["closed"], closed: [] }),
      approved_by: column.singleWriter("cloud"),
    },
  }),
  retain: everywhere,
});

const session = table("session", {
  ...sample,
  columns: {
    tenant_id: text(),
    id: uuid(),
    barn_id: text(),
    batch: integer(),
    weight: numeric(8, 2).nullable(),
    remark: text().nullable(),
  },
  references: [toBarn],
  scope: barnScope,
  writers: ["edge", "cloud"],
  flow: "both",
  rule: singleWriter("edge", { columns: { remark: column.lastWriterWins() } }),
  retain: { cloud: forever, edge: generations("batch", 2), tablet: forever },
});

const dailyCount = table("daily_count", {
  ...sample,
  columns: { tenant_id: text(), id: uuid(), barn_id: text(), day: date(), animals: integer(), remark: text().nullable() },
  unique: [{ columns: ["tenant_id", "barn_id", "day"] }],
  references: [toBarn],
  scope: barnScope,
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: naturalKey(["tenant_id", "barn_id", "day"]),
  retain: everywhere,
});

const deviceStatus = table("device_status", {
  ...sample,
  columns: { tenant_id: text(), id: text(), barn_id: text().nullable(), status: text(), last_seen_at: timestamptz() },
  scope: barnScope,
  writers: ["edge", "cloud"],
  flow: "both",
  rule: monotoneRow("last_seen_at"),
  retain: everywhere,
});

const tiers = ["cloud", "edge", "tablet"] as const;

export const sampleFarm = catalog({
  name: "sample-farm",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: ["barn"],
  sharedTenant: "shared",
  tables: [reading, entry, note, session, dailyCount, deviceStatus, barn, nodeTable(tiers), ...quarantineTables(tiers)],
});
