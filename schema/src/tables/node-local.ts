import { bigint, days, forever, integer, jsonb, local, oneOf, table, text, timestamptz } from "@hayloft/engine";
import { createdAt, freeText, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";
import { refusalReasons } from "../mqtt/refusal.ts";

// What one node knows for itself. The tables exist on every tier and their rows never leave it.
const own = { category: "idempotency", flow: "local", rule: local(), scope: { tenant: "tenant_id" } } as const;

export const ingressDedupe = table("ingress_dedupe", {
  ...own,
  about: "Events that were taken in, kept as long as a device may send them again.",
  group: "ingress",
  columns: {
    tenant_id: tenantId(),
    event_id: outsideId(),
    first_seen_at: createdAt(),
    expires_at: timestamptz(),
    topic: text(),
    hash: text().nullable(),
  },
  primaryKey: ["tenant_id", "event_id"],
  indexes: [["expires_at"]],
  writers: ["edge"],
  retain: { edge: days(3, "expires_at") },
});

// The payload is not kept: it may hold what must not be stored. Size and hash are enough to find it again.
export const ingressRefused = table("ingress_refused", {
  ...own,
  about: "Messages that were refused, with the reason; the newest, up to a limit.",
  group: "ingress",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    reason: oneOf(...refusalReasons),
    detail: text().nullable(),
    topic: text(),
    event_id: text().nullable(),
    device_id: text().nullable(),
    size_bytes: integer(),
    hash: text(),
    received_at: createdAt(),
  },
  indexes: [["received_at"], ["tenant_id", "reason", "received_at desc"]],
  writers: ["edge"],
  retain: { edge: days(30, "received_at") },
});

// A site may silence a device while the hub is away. Deny wins over the allowlist, and the audit event tells the hub.
export const siteBlockList = table("site_block_list", {
  ...own,
  about: "Devices and stations that this site refuses, whatever the allowlist says.",
  group: "ingress",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    kind: oneOf("device", "station"),
    subject_id: outsideId(),
    reason: freeText().nullable(),
    blocked_by: text().nullable(),
    blocked_at: createdAt(),
  },
  primaryKey: ["tenant_id", "kind", "subject_id"],
  writers: ["edge"],
  retain: { edge: forever },
});

export const alertStates = table("alert_states", {
  ...own,
  about: "Which alert is firing for what, since when.",
  group: "operations",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    rule: outsideId(),
    subject: outsideId(),
    state: oneOf("pending", "firing", "resolved"),
    severity: oneOf("info", "warning", "critical"),
    since: timestamptz(),
    notification_id: ownId().nullable(),
    details: jsonb<Readonly<Record<string, unknown>>>().nullable(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "rule", "subject"],
  indexes: [["tenant_id", "state"]],
  writers: ["cloud", "edge"],
  retain: { cloud: forever, edge: forever },
});

// A consumer of the log (webhook, export, analytics) moves its position in the transaction of its effect.
export const consumerPositions = table("consumer_positions", {
  ...own,
  about: "How far each consumer of the change log has come.",
  group: "operations",
  category: "integration",
  columns: {
    tenant_id: tenantId(),
    consumer: outsideId(),
    position: bigint().default("0"),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "consumer"],
  writers: ["cloud", "edge"],
  retain: { cloud: forever, edge: forever },
});
