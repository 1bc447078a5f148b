import { fromBase64 } from "../platform/byte-text.ts";
import type { Database } from "../store/database.ts";
import type { NodeKey, NodeRecord, NodeRegistry } from "./session-ports.ts";

interface NodeRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly tier: string;
  readonly role: string;
  readonly public_key: string;
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** The registry in table `replica_node`. */
export class SqlNodeRegistry implements NodeRegistry {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find({ tenant, node }: NodeKey): Promise<NodeRecord | null> {
    const [record] = await this.active([{ tenant, node }]);
    return record ?? null;
  }

  async active(keys: readonly NodeKey[]): Promise<readonly NodeRecord[]> {
    const { rows } = await this.#database.query<NodeRow>(
      `select n.tenant_id, n.id, n.tier, n.role, n.public_key, n.scopes from replica_node n
      join unnest($1::text[], $2::uuid[]) as asked (tenant_id, id) on asked.tenant_id = n.tenant_id and asked.id = n.id
      where n.status = 'active'`,
      [keys.map((key) => key.tenant), keys.map((key) => key.node)],
    );
    return rows.map((row) => ({
      node: row.id,
      publicKey: fromBase64(row.public_key) ?? new Uint8Array(0),
      grant: { tenant: row.tenant_id, tier: row.tier, role: row.role, scopes: row.scopes },
    }));
  }
}
