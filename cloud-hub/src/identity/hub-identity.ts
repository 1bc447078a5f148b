import { existsSync } from "node:fs";
import type { Database, KeyIdentity } from "@hayloft/engine";
import { HayloftError, createIdentity, identityFromRecord } from "@hayloft/engine";
import { loadIdentity, saveIdentity } from "@hayloft/engine/node";

const TIER = "cloud";

interface StoredIdentity {
  readonly node_id: string;
  /** Null when the key is in a file. */
  readonly private_key: string | null;
}

/**
 * The hub's identity, made at the first start. All processes on one database are one node with one key, so that a session may
 * land on any of them. The key is in the database, or in `file` (mode 0600) when that is given; a second process then needs
 * the same file. Throws `identity-invalid` when key and database do not belong together, and never makes a second key.
 */
export async function ensureHubIdentity(database: Database, file: string | null): Promise<KeyIdentity> {
  const stored = (await readStored(database)) ?? (await storeNew(database, file));
  return file === null ? identityInDatabase(stored) : identityInFile(stored, file);
}

async function readStored(database: Database): Promise<StoredIdentity | null> {
  const { rows } = await database.query<StoredIdentity>("select node_id, private_key from hayloft_hub.identity");
  return rows[0] ?? null;
}

/** The file is written first: a key without its row is completed by the next start, a row without its key would be lost. */
async function storeNew(database: Database, file: string | null): Promise<StoredIdentity> {
  const made = file !== null && existsSync(file) ? loadIdentity(file) : createIdentity({ tier: TIER, tenant: null });
  if (file !== null && !existsSync(file)) saveIdentity(file, made);
  // Of several processes the first wins; the others read what it stored.
  await database.query("insert into hayloft_hub.identity (node_id, private_key) values ($1, $2) on conflict do nothing", [
    made.nodeId,
    file === null ? made.toRecord().privateKey : null,
  ]);
  const stored = await readStored(database);
  if (stored === null) throw new HayloftError("identity-invalid", { part: "all", reason: "the database keeps no identity" });
  return stored;
}

function identityInDatabase(stored: StoredIdentity): KeyIdentity {
  if (stored.private_key === null) {
    throw new HayloftError("identity-invalid", {
      part: "privateKey",
      reason: "the key is in a file; name it with identity_file",
    });
  }
  return identityFromRecord({ nodeId: stored.node_id, tier: TIER, tenant: null, privateKey: stored.private_key });
}

function identityInFile(stored: StoredIdentity, file: string): KeyIdentity {
  if (stored.private_key !== null) {
    throw new HayloftError("identity-invalid", { file, reason: "the key is in the database; remove the setting identity_file" });
  }
  const identity = loadIdentity(file);
  if (identity.nodeId === stored.node_id) return identity;
  throw new HayloftError("identity-invalid", { file, reason: "the file belongs to another database" });
}
