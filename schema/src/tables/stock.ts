import { column, naturalKey, numeric, oneOf, table } from "@hayloft/engine";
import { createdAt, nameText, naturalId, note, noteText, outsideId, tenantId, updatedAt } from "../farm-columns.ts";
import { keepEverywhere } from "../tiers.ts";

// What people take and bring is counted: `set on_hand = on_hand - 5` on two tablets takes ten, whenever they meet. There is no CHECK
// against less than nothing: feed that was eaten is gone, whether or not somebody entered the delivery, and a refused commit would hide it.
// Two who enter the same item for the first time, each away from the other, have both brought something: the amounts add up.
export const barnStock = table("barn_stock", {
  about: "What is on hand in a barn: feed, medicine, bedding.",
  group: "records",
  category: "record",
  columns: {
    tenant_id: tenantId(),
    id: naturalId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    item_code: outsideId(),
    item_name: nameText(),
    unit: oneOf("kg", "l", "ml", "piece"),
    on_hand: numeric(14, 3).default("0"),
    order_below: numeric(14, 3).nullable().check("{} >= 0"),
    notes: noteText(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "barn_id", "item_code"] }],
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "item_code"],
  ],
  references: [
    { columns: ["tenant_id", "farm_id"], table: "farms" },
    { columns: ["tenant_id", "barn_id"], table: "barns" },
  ],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  lane: 0,
  rule: naturalKey(["tenant_id", "barn_id", "item_code"], {
    columns: { on_hand: column.counter(), notes: note(), updated_at: column.max() },
  }),
  retain: keepEverywhere,
});
