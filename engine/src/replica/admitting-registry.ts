import type { NodeKey, NodeRecord, NodeRegistry } from "./session-ports.ts";

/** Of the given tenants, those whose children may have a session now. */
export type AdmittedTenants = (tenants: readonly string[]) => Promise<readonly string[]>;

/** A registry in which the nodes of a tenant that the application does not admit are as good as revoked. */
export class AdmittingRegistry implements NodeRegistry {
  readonly #registry: NodeRegistry;
  readonly #admitted: AdmittedTenants;

  constructor(registry: NodeRegistry, admitted: AdmittedTenants) {
    this.#registry = registry;
    this.#admitted = admitted;
  }

  async find(key: NodeKey): Promise<NodeRecord | null> {
    const [record] = await this.active([key]);
    return record ?? null;
  }

  async active(keys: readonly NodeKey[]): Promise<readonly NodeRecord[]> {
    const records = await this.#registry.active(keys);
    const tenants = [...new Set(records.map((record) => record.grant.tenant))];
    const admitted = new Set(tenants.length === 0 ? [] : await this.#admitted(tenants));
    return records.filter((record) => admitted.has(record.grant.tenant));
  }
}
