import type { IncomingMessage } from "node:http";
import { fromBase64 } from "../platform/byte-text.ts";
import type { SqlSession } from "../store/database.ts";
import { isProven, readProof, type RequestChallenges } from "./request-proof.ts";

/** A node that has proved itself over HTTP, as the registry has it. */
export interface ProvenNode {
  readonly node: string;
  readonly tenant: string;
  readonly tier: string;
  /** Ids per scope dimension; a dimension that is missing is not restricted. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/**
 * The node that signed a request, or null: no proof, a challenge that is not ours or has expired, a node that is not enrolled or
 * was revoked, a signature that is not its own. Which of these it was is not told.
 */
export async function provenNode(
  session: SqlSession,
  challenges: RequestChallenges,
  request: IncomingMessage,
  nowMs: number,
): Promise<ProvenNode | null> {
  const proof = readProof(request.headers.authorization);
  if (proof === null || !challenges.accepts(proof.challenge, nowMs) || !uuidPattern.test(proof.node)) return null;
  const { rows } = await session.query<Pick<ProvenNode, "tier" | "scopes"> & { readonly key: string }>(
    "select tier, scopes, public_key as key from replica_node where tenant_id = $1 and id = $2 and status = 'active'",
    [proof.tenant, proof.node],
  );
  const [row] = rows;
  const key = row === undefined ? null : fromBase64(row.key);
  const header = (name: string): string => String(request.headers[name] ?? "");
  const signed = {
    method: request.method ?? "",
    path: request.url ?? "",
    offset: header("upload-offset"),
    checksum: header("upload-checksum"),
  };
  if (row === undefined || key === null || !isProven(proof, key, signed)) return null;
  return { node: proof.node, tenant: proof.tenant, tier: row.tier, scopes: row.scopes };
}

/** True when a row with these ids per dimension lies within the node's grant. */
export const isGranted = ({ scopes }: Pick<ProvenNode, "scopes">, ids: Readonly<Record<string, string | null>>): boolean =>
  Object.entries(scopes).every(([dimension, granted]) => granted.includes(ids[dimension] ?? ""));
