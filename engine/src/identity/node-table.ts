import { jsonb, oneOf, text, timestamptz, uuid } from "../catalog/column.ts";
import { singleWriter } from "../catalog/rule.ts";
import { forever, table } from "../catalog/table.ts";

/**
 * The registry of enrolled nodes: written by the top tier, replicated down, so that every parent can authenticate its
 * children without a link. Each catalog includes it. `scopes` is the grant's `scopes`; `public_key` is the raw Ed25519 key
 * in base64url.
 */
export const nodeTable = (tiers: readonly string[]) => {
  const [top] = tiers;
  return table("replica_node", {
    about: "Enrolled nodes: their keys, tiers and grants.",
    group: "sync",
    category: "master",
    columns: {
      tenant_id: text(),
      id: uuid(),
      name: text(),
      tier: oneOf(...tiers),
      role: text(),
      public_key: text(),
      scopes: jsonb<Readonly<Record<string, readonly string[]>>>().default(`'{}'::jsonb`),
      status: oneOf("active", "revoked").default("'active'"),
      enrolled_at: timestamptz().default("now()"),
      revoked_at: timestamptz().nullable(),
      updated_at: timestamptz().default("now()"),
    },
    indexes: [["tenant_id", "status"]],
    scope: { tenant: "tenant_id" },
    writers: top === undefined ? [] : [top],
    flow: "down",
    rule: singleWriter(top ?? ""),
    retain: Object.fromEntries(tiers.map((tier) => [tier, forever])),
    lane: 0,
  });
};
