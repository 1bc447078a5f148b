import { bigint, boolean, jsonb, oneOf, text, timestamptz, uuid } from "../catalog/column.ts";
import { appendOnly, lastWriterWins } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";

/** Commits held by a replica below the top, as that replica reports them upward. */
export const REPORT_TABLE = "replica_quarantine";
/** What people did with held commits; each replica acts on the rows that come. */
export const ACTION_TABLE = "replica_quarantine_action";

const heldStates = ["held", "applied", "merged", "resent", "discarded"] as const;
const quarantineActions = ["resent", "discarded", "release"] as const;

/**
 * The tables by which replicas tell each other of held commits. A catalog that includes both shows at the top what a relay
 * refused, and lets a person settle a held commit on the author's tier, on the tier that refused it, or at the top.
 */
export const quarantineTables = (tiers: readonly string[]) => {
  const [, ...below] = tiers;
  const shared = {
    group: "sync",
    scope: { tenant: "tenant_id" },
    lane: 2,
    retain: Object.fromEntries(tiers.map((tier) => [tier, forever])),
  } as const;
  const held = table(REPORT_TABLE, {
    ...shared,
    about: "Commits that a replica below the top holds in quarantine: why, since when, and what they would change.",
    category: "operational",
    columns: {
      tenant_id: text(),
      node_id: uuid(),
      origin: uuid(),
      seq: bigint(),
      state: oneOf(...heldStates),
      code: text(),
      retryable: boolean(),
      cause_origin: uuid().nullable(),
      cause_seq: bigint().nullable(),
      author_node: uuid().nullable(),
      author_tier: text().nullable(),
      author: text().nullable(),
      tables: text(),
      row_keys: jsonb<readonly string[]>(),
      row_count: bigint(),
      byte_count: bigint(),
      changes: jsonb().nullable(),
      held_at: timestamptz(),
      changed_at: timestamptz(),
    },
    primaryKey: ["tenant_id", "node_id", "origin", "seq"],
    indexes: [
      ["tenant_id", "origin", "seq"],
      ["tenant_id", "state", "held_at"],
    ],
    writers: below.length === 0 ? tiers : below,
    flow: "up",
    returns: false,
    rule: lastWriterWins(),
  });
  const action = table(ACTION_TABLE, {
    ...shared,
    about: "What people did with commits in quarantine: sent them again, discarded them, had them judged again.",
    category: "audit",
    columns: {
      tenant_id: text(),
      id: uuid(),
      origin: uuid(),
      seq: bigint(),
      action: oneOf(...quarantineActions),
      node_id: uuid(),
      new_origin: uuid().nullable(),
      new_seq: bigint().nullable(),
      person: text().nullable(),
      reason: text().nullable(),
      acted_at: timestamptz().default("now()"),
    },
    indexes: [["tenant_id", "origin", "seq"]],
    writers: tiers,
    flow: "both",
    rule: appendOnly(),
    // Lower tiers act on the rows; who did it and why is for those above.
    hidden: Object.fromEntries(below.map((tier) => [tier, ["person", "reason"] as const])),
  });
  return [held, action] as const;
};
