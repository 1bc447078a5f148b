/** Why the ingress refuses a message, in the order in which it looks. Closed: metrics and the table are built from it. */
export const refusalReasons = [
  "topic-invalid",
  "message-too-large",
  "envelope-invalid",
  "schema-version",
  "tenant-mismatch",
  "device-mismatch",
  "event-type-mismatch",
  "event-type-unknown",
  "payload-invalid",
  "clock-ahead",
  "too-old",
  "tenant-unknown",
  "not-allowed",
  "disabled",
  "blocked-on-site",
  "wrong-place",
  "rate-limited",
  "content-conflict",
  "rejected-by-store",
] as const;

export type RefusalReason = (typeof refusalReasons)[number];

/** A refused message. `detail` names fields and limits, never values. */
export interface Refusal {
  readonly ok: false;
  readonly reason: RefusalReason;
  readonly detail: string;
}

export const refuse = (reason: RefusalReason, detail: string): Refusal => ({ ok: false, reason, detail });
