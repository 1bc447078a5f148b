import { boolean, integer, jsonb, oneOf, text } from "../catalog/column.ts";
import { column, type ConcurrentValue, lastWriterWins } from "../catalog/rule.ts";

/** One column of each rule that merges, `id` and tenant apart, for tests of whole rows. */
export const everyRuleColumns = {
  tenant_id: text(),
  id: text(),
  name: text().nullable(),
  top: integer().nullable(),
  low: integer().nullable(),
  flag: boolean().default("false"),
  state: oneOf("open", "held", "paused", "closed").default("'open'"),
  first: text().nullable(),
  hits: integer().default("0"),
  labels: jsonb<readonly string[]>().default("'[]'"),
  dose: integer().nullable(),
  pick: text().nullable(),
} as const;

/** Of several values all, each once. */
const all = {
  name: "all",
  version: 1,
  resolve: (values: readonly ConcurrentValue[]) => [...new Set(values.map(({ value }) => value ?? "-"))].sort().join("+"),
};

export const everyRule = lastWriterWins({
  columns: {
    top: column.max(),
    low: column.min(),
    flag: column.or(),
    state: column.lattice({ open: ["held", "paused"], held: ["closed"], paused: ["closed"], closed: [] }),
    first: column.setOnce(),
    hits: column.counter(),
    labels: column.setUnion(),
    dose: column.review({ show: "max" }),
    pick: column.custom(all),
  },
});
