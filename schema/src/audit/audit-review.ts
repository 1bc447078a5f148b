import type { ReviewDecision } from "@hayloft/engine";
import { newId } from "@hayloft/engine";

/** Writes the audit event of a person's decision on values that differed, in the decision's own transaction. */
export const auditReview =
  (person: string, value: string | null): NonNullable<ReviewDecision["also"]> =>
  async (tx, { tenant, table, key, column, values }) => {
    const open = values.map((item) => `${item.value ?? "no value"} by ${item.author ?? item.node}`).join("; ");
    await tx.query(
      `insert into audit_events (tenant_id, id, actor_id, actor_role, action, resource_type, resource_id, summary, node_id)
       values ($1, $2, $3, 'operator', 'review.decided', $4, $5, left($6, 10000), (select node_id::text from hayloft.replica))`,
      [tenant, newId(), person.slice(0, 128), table, key.join(",").slice(0, 128), `${column}: ${value ?? "no value"} of ${open}`],
    );
  };
