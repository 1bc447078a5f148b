import {
  appendOnly,
  column,
  integer,
  jsonb,
  lastWriterWins,
  oneOf,
  singleWriter,
  table,
  text,
  timestamptz,
} from "@hayloft/engine";
import { createdAt, freeText, nameText, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";
import { keepCloud, keepWindow } from "../tiers.ts";

const channel = () => oneOf("in_app", "webhook", "email", "sms");

// Who did what, on every tier. It is never changed, and it leaves no tier except upward.
export const auditEvents = table("audit_events", {
  about: "Who did what, when and to what.",
  group: "audit",
  category: "audit",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    actor_id: outsideId(),
    actor_role: text(),
    action: outsideId(),
    resource_type: outsideId(),
    resource_id: outsideId().nullable(),
    summary: freeText(),
    metadata_json: jsonb<Readonly<Record<string, unknown>>>().nullable(),
    request_id: outsideId().nullable(),
    trace_id: text().nullable(),
    node_id: outsideId().nullable(),
    created_at: createdAt(),
  },
  indexes: [
    ["tenant_id", "created_at desc"],
    ["tenant_id", "actor_id", "created_at desc"],
    ["tenant_id", "action", "resource_type", "created_at desc"],
  ],
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "up",
  rule: appendOnly(),
  retain: keepWindow("created_at", 90, 30),
  lane: 2,
});

// An alarm of the barn's machine and a message of the hub are the same kind of row.
export const notifications = table("notifications", {
  about: "Messages to people, alarms among them.",
  group: "messages",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId().nullable(),
    barn_id: outsideId().nullable(),
    batch_id: outsideId().nullable(),
    severity: oneOf("info", "warning", "critical").default("'info'"),
    channel: channel(),
    title: nameText(),
    message: freeText(),
    payload_json: jsonb<Readonly<Record<string, unknown>>>().nullable(),
    status: oneOf("created", "queued", "failed", "canceled", "sent").default("'created'"),
    dedupe_key: outsideId().nullable(),
    idempotency_key: outsideId().nullable(),
    external_ref: outsideId().nullable(),
    created_by: text().nullable(),
    acknowledged_at: timestamptz().nullable(),
    acknowledged_by: ownId().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [
    { columns: ["tenant_id", "idempotency_key"], where: "idempotency_key is not null" },
    { columns: ["tenant_id", "external_ref"], where: "external_ref is not null" },
  ],
  indexes: [
    ["tenant_id", "created_at desc"],
    ["tenant_id", "farm_id", "barn_id", "batch_id", "created_at desc"],
  ],
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  rule: lastWriterWins({
    columns: {
      status: column.lattice({ created: ["queued"], queued: ["failed"], failed: ["canceled"], canceled: ["sent"], sent: [] }),
      acknowledged_at: column.setOnce(),
      acknowledged_by: column.setOnce(),
      updated_at: column.max(),
    },
  }),
  retain: keepWindow("created_at", 120, 45),
  lane: 1,
});

export const notificationTargets = table("notification_targets", {
  about: "Whom a notification is for.",
  group: "messages",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    notification_id: ownId(),
    target_type: oneOf("user", "role", "topic"),
    target_value: outsideId(),
    created_at: createdAt(),
  },
  indexes: [["tenant_id", "notification_id"]],
  references: [{ columns: ["tenant_id", "notification_id"], table: "notifications" }],
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge"],
  flow: "both",
  rule: appendOnly(),
  retain: keepWindow("created_at", 90, 30),
  lane: 1,
});

export const notificationDeliveryAttempts = table("notification_delivery_attempts", {
  about: "Attempts of the hub to deliver a notification outside.",
  group: "messages",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    notification_id: ownId(),
    attempt_no: integer().check("{} > 0"),
    provider: channel(),
    destination: text().nullable(),
    status: oneOf("success", "fail", "retrying"),
    error_message: text().nullable(),
    response_code: integer().nullable(),
    created_at: createdAt(),
  },
  indexes: [["tenant_id", "notification_id", "created_at desc"]],
  references: [{ columns: ["tenant_id", "notification_id"], table: "notifications" }],
  scope: { tenant: "tenant_id" },
  writers: ["cloud"],
  flow: "top",
  rule: singleWriter("cloud"),
  retain: keepCloud,
});
