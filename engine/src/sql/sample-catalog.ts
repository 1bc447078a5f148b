import { catalog } from "../catalog/catalog.ts";
import { bigint, boolean, date, double, integer, jsonb, numeric, oneOf, text, timestamptz, uuid } from "../catalog/column.ts";
import { appendOnly, column, derived, lastWriterWins, local, monotoneRow, naturalKey, singleWriter } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";

/** A small catalog with every rule, flow and column type, for this package's tests. */

const everywhere = { cloud: forever, edge: forever, tablet: forever };
const scope = { tenant: "tenant_id", farm: "farm_id" } as const;
const sound = { group: "sample", category: "operational", retain: everywhere, about: "A table of the tests." } as const;

const farm = table("farm", {
  ...sound,
  columns: { tenant_id: text(), id: text(), name: text(), notes: text().nullable() },
  unique: [{ columns: ["tenant_id", "name"] }],
  scope: { tenant: "tenant_id", farm: "id" },
  writers: ["cloud", "edge"],
  flow: "down",
  rule: singleWriter("cloud", { columns: { notes: column.singleWriter("edge") } }),
});

const reading = table("reading", {
  ...sound,
  columns: {
    tenant_id: text(),
    id: uuid(),
    farm_id: text(),
    device_id: text(),
    value: numeric(12, 4),
    raw: double().nullable(),
    tags: jsonb().nullable(),
    occurred_at: timestamptz(),
    day: date().nullable(),
    count: bigint().default("0"),
  },
  primaryKey: ["tenant_id", "id", "occurred_at"],
  unique: [{ columns: ["tenant_id", "device_id", "occurred_at"] }],
  indexes: [
    ["tenant_id", "occurred_at desc"],
    ["tenant_id", "farm_id"],
  ],
  references: [{ columns: ["tenant_id", "farm_id"], table: "farm" }],
  partition: { by: "occurred_at", every: "month" },
  scope,
  writers: ["edge"],
  flow: "up",
  rule: appendOnly(),
});

const note = table("note", {
  ...sound,
  columns: {
    tenant_id: text(),
    id: uuid(),
    farm_id: text(),
    title: text().check("length({}) <= 200"),
    body: text().nullable(),
    first_seen: text().nullable(),
    seen_at: timestamptz().nullable(),
    is_done: boolean().default("false"),
    status: oneOf("open", "held", "closed", "void").default("'open'"),
    words: integer().nullable(),
    ratio: double().nullable(),
    extra: jsonb().nullable(),
  },
  indexes: [["tenant_id", "farm_id"]],
  unique: [{ columns: ["tenant_id", "title"], where: "status = 'open'" }],
  references: [{ columns: ["tenant_id", "farm_id"], table: "farm" }],
  checks: { closed_words: "status <> 'closed' OR words IS NOT NULL" },
  scope,
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: {
      first_seen: column.setOnce(),
      seen_at: column.max(),
      is_done: column.or(),
      status: column.lattice({ open: ["held", "closed"], held: ["closed"], closed: ["void"], void: [] }),
      words: column.derived(),
    },
  }),
});

const dailyCount = table("daily_count", {
  ...sound,
  columns: { tenant_id: text(), id: uuid(), farm_id: text(), day: date(), weight: numeric(8, 2).nullable(), animals: integer() },
  unique: [{ columns: ["tenant_id", "farm_id", "day", "weight"], nullsNotDistinct: true }],
  references: [{ columns: ["tenant_id", "farm_id"], table: "farm" }],
  scope,
  writers: ["cloud", "tablet", "edge"],
  flow: "both",
  rule: naturalKey(["tenant_id", "farm_id", "day", "weight"]),
});

const deviceStatus = table("device_status", {
  ...sound,
  columns: { tenant_id: text(), id: text(), farm_id: text().nullable(), status: text(), last_seen_at: timestamptz() },
  indexes: [["tenant_id", "farm_id"]],
  scope,
  writers: ["edge"],
  flow: "up",
  rule: monotoneRow("last_seen_at"),
});

const total = table("total", {
  ...sound,
  columns: { tenant_id: text(), id: text(), amount: numeric(12, 2) },
  scope: { tenant: "tenant_id" },
  writers: [],
  flow: "local",
  rule: derived(),
});

const inbox = table("inbox", {
  ...sound,
  columns: { tenant_id: text(), id: text(), expires_at: timestamptz().nullable() },
  indexes: [["tenant_id", "expires_at"]],
  scope: { tenant: "tenant_id" },
  writers: ["edge"],
  flow: "local",
  rule: local(),
});

const account = table("account", {
  ...sound,
  columns: { tenant_id: text(), id: uuid(), email: text() },
  unique: [{ columns: ["tenant_id", "email"] }],
  scope: { tenant: "tenant_id" },
  writers: ["cloud"],
  flow: "top",
  rule: singleWriter("cloud"),
  retain: { cloud: forever },
});

export const sampleCatalog = catalog({
  name: "sample",
  version: 1,
  oldestVersion: 1,
  tiers: ["cloud", "edge", "tablet"],
  scopes: ["farm"],
  sharedTenant: "shared",
  tables: [farm, reading, note, dailyCount, deviceStatus, total, inbox, account],
});
