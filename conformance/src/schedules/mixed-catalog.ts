import {
  appendOnly,
  boolean,
  catalog,
  catalogDdl,
  column,
  forever,
  integer,
  jsonb,
  lastWriterWins,
  naturalKey,
  nodeTable,
  oneOf,
  quarantineTables,
  table,
  text,
  uuid,
} from "@hayloft/engine";
import type { ConcurrentValue } from "@hayloft/engine";

const tiers = ["cloud", "edge", "tablet"] as const;
const base = {
  group: "schedules",
  category: "operational",
  about: "A table of the schedules.",
  scope: { tenant: "tenant_id" },
  writers: [...tiers],
  flow: "both",
  retain: { cloud: forever, edge: forever, tablet: forever },
} as const;
/** Every row says of which schedule it is, so that one set of databases serves many. */
const ofRun = { tenant_id: text(), run: text() } as const;
const noId = "'00000000-0000-8000-8000-000000000000'";

/** The order of `card.state`; two people may close a card in two ways, and cancelled beats both. */
const stateOrder = { open: ["held", "done"], held: ["cancelled"], done: ["cancelled"], cancelled: [] } as const;

const longest = {
  name: "longest",
  version: 1,
  resolve: (values: readonly ConcurrentValue[]): string | null =>
    values.reduce<string | null>((best, { value }) => ((value ?? "").length > (best ?? "").length ? value : best), null),
} as const;

/** One row with a column of every rule. */
const card = table("card", {
  ...base,
  columns: {
    ...ofRun,
    id: text(),
    title: text().nullable(),
    highest: integer().nullable(),
    lowest: integer().nullable(),
    flag: boolean().default("false"),
    state: oneOf("open", "held", "done", "cancelled").default("'open'"),
    first: text().nullable(),
    stock: integer().default("0"),
    labels: jsonb<readonly string[]>().default("'[]'"),
    days: integer().nullable(),
    notes: text().nullable(),
    list: jsonb<Readonly<Record<string, string>>>().nullable(),
    nick: text().nullable(),
  },
  rule: lastWriterWins({
    columns: {
      highest: column.max(),
      lowest: column.min(),
      flag: column.or(),
      state: column.lattice(stateOrder),
      first: column.setOnce(),
      stock: column.counter(),
      labels: column.setUnion(),
      days: column.review({ show: "max" }),
      notes: column.document({ kind: "text" }),
      list: column.document({ kind: "json" }),
      nick: column.custom(longest),
    },
  }),
});

/** Rows that two replicas begin under one key, each without the other. */
const tally = table("tally", {
  ...base,
  columns: {
    ...ofRun,
    id: uuid().default(noId),
    place: text(),
    title: text().nullable(),
    stock: integer().default("0"),
    days: integer().nullable(),
    notes: text().nullable(),
  },
  unique: [{ columns: ["tenant_id", "run", "place"] }],
  rule: naturalKey(["tenant_id", "run", "place"], {
    columns: {
      stock: column.counter(),
      days: column.review({ show: "last" }),
      notes: column.document({ kind: "text" }),
    },
  }),
});

/** What must never vanish, as a child of such a row. */
const treatment = table("treatment", {
  ...base,
  columns: {
    ...ofRun,
    id: uuid(),
    tally_id: uuid(),
    what: text(),
    days: integer().nullable(),
    voided: text().nullable(),
    notes: text().nullable(),
  },
  references: [{ columns: ["tenant_id", "tally_id"], table: "tally" }],
  indexes: [["tenant_id", "tally_id"]],
  rule: appendOnly({
    columns: {
      days: column.review({ show: "max" }),
      voided: column.setOnce(),
      notes: column.document({ kind: "text" }),
    },
  }),
});

const leaf = (name: string, deletes: "later" | "deleteWins" | "updateWins") =>
  table(name, {
    ...base,
    columns: { ...ofRun, id: text(), title: text().nullable(), stock: integer().default("0"), days: integer().nullable() },
    deletes,
    rule: lastWriterWins({ columns: { stock: column.counter(), days: column.review({ show: "last" }) } }),
  });

/** Tables whose rows are deleted, one for each way in which a delete and a write end. */
export const leafTables = ["leaf_later", "leaf_gone", "leaf_kept"] as const;

export const mixedTables = ["card", "tally", "treatment", ...leafTables] as const;

/** Every rule of the engine, mixed in its rows. */
export const mixedCatalog = catalog({
  name: "schedules",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes: [],
  sharedTenant: "shared",
  tables: [
    nodeTable(tiers),
    ...quarantineTables(tiers),
    card,
    tally,
    treatment,
    leaf("leaf_later", "later"),
    leaf("leaf_gone", "deleteWins"),
    leaf("leaf_kept", "updateWins"),
  ],
});

export const mixedMigrations = [{ name: "0001_initial", sql: catalogDdl(mixedCatalog) }];
export const TENANT = "t-schedules";
