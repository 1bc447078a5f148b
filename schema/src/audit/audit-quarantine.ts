import type { QuarantineHook } from "@hayloft/engine";
import { newId } from "@hayloft/engine";

const verbs = { resent: "quarantine.resent", discarded: "quarantine.discarded", release: "quarantine.judged-again" } as const;

/** Writes the audit event of an action on a refused commit, in the action's own transaction. */
export const auditQuarantine: QuarantineHook = async (tx, { tenant, origin, seq, action, node, person, reason, replacement }) => {
  const successor = replacement === null ? "" : `; sent again as ${replacement.origin} ${String(replacement.seq)}`;
  await tx.query(
    `insert into audit_events (tenant_id, id, actor_id, actor_role, action, resource_type, resource_id, summary, node_id)
     values ($1, $2, $3, $4, $5, 'refused_commit', $6, $7, $8)`,
    [
      tenant,
      newId(),
      person ?? node,
      person === null ? "device_agent" : "operator",
      verbs[action],
      `${origin} ${String(seq)}`,
      `${reason ?? "no reason given"}${successor}`,
      node,
    ],
  );
};
