import { toBase64Url } from "../platform/byte-text.ts";
import type { NodeIdentity } from "./node-identity.ts";

/** The row of `replica_node` that enrols a node. `scopes` restricts it to ids per dimension; without it the whole tenant. */
export function registryRow<Tier extends string>(
  identity: Pick<NodeIdentity, "nodeId" | "tenant" | "publicKey">,
  as: {
    readonly tier: Tier;
    readonly name: string;
    readonly role: string;
    readonly scopes?: Readonly<Record<string, readonly string[]>>;
  },
) {
  const { tier, name, role, scopes = {} } = as;
  const public_key = toBase64Url(identity.publicKey);
  return { tenant_id: identity.tenant ?? "", id: identity.nodeId, name, tier, role, public_key, scopes: JSON.stringify(scopes) };
}
