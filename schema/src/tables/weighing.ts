import { appendOnly, boolean, column, integer, jsonb, naturalKey, oneOf, table, text, timestamptz } from "@hayloft/engine";
import {
  createdAt,
  freeText,
  kg,
  naturalId,
  naturalRef,
  note,
  noteText,
  outsideId,
  ownId,
  sameRule,
  share,
  tenantId,
  updatedAt,
} from "../farm-columns.ts";
import { keepWindow } from "../tiers.ts";

const barnScope = { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" } as const;
const toSession = { columns: ["tenant_id", "weight_session_id"], table: "weight_sessions" };

// Sessions outlive what hangs on them, so that a child never stands without its parent while old rows go.
const sessionEdgeDays = 120;
const childEdgeDays = 90;
const sessionTabletDays = 45;
const childTabletDays = 30;

/** Directly following states of a weigh session. Cancelled is a human decision and beats finalized. */
export const sessionStatusOrder = {
  created: ["incomplete"],
  incomplete: ["finalized"],
  finalized: ["cancelled"],
  cancelled: [],
} as const;

// `session_id` is what the device says, often only the second of its clock; with station and tenant it is the identity.
// A weight or an image that arrives first makes the row, the later `created` message fills it. The station carries no
// foreign key for the same reason that telemetry has none; barn and batch do, because people assign those.
export const weightSessions = table("weight_sessions", {
  about: "Weighings of one animal or group at a station.",
  group: "weighing",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: naturalId(),
    session_id: outsideId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    station_id: outsideId(),
    batch_id: outsideId().nullable(),
    status: oneOf("created", "incomplete", "finalized", "cancelled").default("'created'"),
    start_at: timestamptz(),
    end_at: timestamptz().nullable(),
    initial_weight_kg: kg().nullable().check("{} >= 0"),
    final_weight_kg: kg().nullable().check("{} >= 0"),
    image_count: integer().default("0").check("{} >= 0"),
    announced_image_count: integer().nullable().check("{} >= 0"),
    notes: noteText(),
    cancelled_by: ownId().nullable(),
    cancel_reason: freeText().nullable(),
    trace_id: text().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "station_id", "session_id"] }],
  indexes: [
    ["tenant_id", "session_id"],
    ["tenant_id", "farm_id", "start_at desc"],
    ["tenant_id", "barn_id", "start_at desc"],
    ["tenant_id", "batch_id", "start_at desc"],
    ["tenant_id", "device_id", "start_at desc"],
    ["tenant_id", "status", "start_at desc"],
  ],
  references: [
    { columns: ["tenant_id", "barn_id"], table: "barns" },
    { columns: ["tenant_id", "batch_id"], table: "batches" },
  ],
  scope: barnScope,
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: naturalKey(["tenant_id", "station_id", "session_id"], {
    columns: {
      ...sameRule(
        column.singleWriter("edge"),
        "farm_id",
        "barn_id",
        "device_id",
        "announced_image_count",
        "trace_id",
        "created_at",
      ),
      ...sameRule(column.derived(), "initial_weight_kg", "final_weight_kg", "image_count"),
      notes: note(),
      status: column.lattice(sessionStatusOrder),
      start_at: column.min(),
      end_at: column.max(),
      updated_at: column.max(),
    },
  }),
  retain: keepWindow("start_at", sessionEdgeDays, sessionTabletDays),
  lane: 1,
});

export const sessionWeights = table("session_weights", {
  about: "Weights that a station recorded in a session.",
  group: "weighing",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    weight_session_id: naturalRef(),
    session_id: outsideId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    weight_kg: kg().check("{} >= 0"),
    occurred_at: timestamptz(),
    event_id: outsideId(),
    trace_id: text().nullable(),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "event_id"] }],
  indexes: [
    ["tenant_id", "weight_session_id", "occurred_at"],
    ["tenant_id", "farm_id", "occurred_at desc"],
    ["tenant_id", "barn_id", "occurred_at desc"],
  ],
  references: [toSession],
  scope: barnScope,
  writers: ["edge"],
  flow: "both",
  rule: appendOnly(),
  retain: keepWindow("occurred_at", childEdgeDays, childTabletDays),
  lane: 2,
});

// The image's own row may come later than the message about it, so `media_object_id` has no foreign key.
export const sessionMediaBindings = table("session_media_bindings", {
  about: "Images that belong to a session.",
  group: "weighing",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    weight_session_id: naturalRef(),
    session_id: outsideId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    media_object_id: outsideId(),
    image_role: text().nullable(),
    occurred_at: timestamptz(),
    event_id: outsideId(),
    trace_id: text().nullable(),
    is_bound: boolean().default("false"),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "event_id"] }, { columns: ["tenant_id", "weight_session_id", "media_object_id"] }],
  indexes: [
    ["tenant_id", "media_object_id"],
    ["tenant_id", "farm_id", "occurred_at desc"],
    ["tenant_id", "barn_id", "occurred_at desc"],
  ],
  references: [toSession],
  scope: barnScope,
  writers: ["edge"],
  flow: "both",
  rule: appendOnly({ columns: { is_bound: column.or() } }),
  retain: keepWindow("occurred_at", childEdgeDays, childTabletDays),
  lane: 2,
});

// The id is derived from image and model version: asking twice gives one result. Session and image are named without
// foreign keys, because a result may outlive an image and precede a session.
export const inferenceResults = table("inference_results", {
  about: "What a model saw in an image.",
  group: "weighing",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    station_id: outsideId().nullable(),
    session_id: outsideId().nullable(),
    weight_session_id: naturalRef().nullable(),
    media_id: outsideId().nullable(),
    predicted_weight_kg: kg().nullable().check("{} >= 0"),
    predicted_size: text().nullable(),
    confidence: share().nullable(),
    model_version: outsideId(),
    occurred_at: timestamptz(),
    event_id: outsideId(),
    trace_id: text().nullable(),
    metadata: jsonb<Readonly<Record<string, unknown>>>().nullable(),
    created_at: createdAt(),
  },
  unique: [
    { columns: ["tenant_id", "event_id"] },
    { columns: ["tenant_id", "media_id", "model_version"], where: "media_id is not null" },
  ],
  indexes: [
    ["tenant_id", "session_id"],
    ["tenant_id", "weight_session_id"],
    ["tenant_id", "farm_id", "occurred_at desc"],
    ["tenant_id", "barn_id", "occurred_at desc"],
    ["tenant_id", "device_id", "occurred_at desc"],
  ],
  scope: barnScope,
  writers: ["cloud", "edge"],
  flow: "both",
  rule: appendOnly(),
  retain: keepWindow("occurred_at", childEdgeDays, childTabletDays),
  lane: 2,
});
