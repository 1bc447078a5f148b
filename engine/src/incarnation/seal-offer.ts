import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import { readTruth } from "../apply/read-truth.ts";
import { changesBytes } from "../commit/changes-bytes.ts";
import { changeBody, changeDigest, commitHashOf, firstPreviousHash } from "../commit/commit-hash.ts";
import type { Change, Commit } from "../commit/commit.ts";
import { newId } from "../identity/new-id.ts";
import { keepForeign } from "../log/keep-foreign.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { SqlSession } from "../store/database.ts";
import { asOffer } from "./offered-change.ts";

/** Rows of one offer: few enough for one frame, unless they are very large, which go one by one. */
const OFFER_ROWS = 200;
const OFFER_BYTES = 256 * 1024;

/** Puts rows as they are here into our log, for the parent; absent rows as deletes. `via` is where they came from: not sent back there. */
export async function offerRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { tenant, keys, via }: { readonly tenant: string; readonly keys: readonly string[]; readonly via: string },
): Promise<void> {
  for (let start = 0; start < keys.length; start += OFFER_ROWS) {
    const some = keys.slice(start, start + OFFER_ROWS);
    const changes = await readTruth(tx, plan, tenant, some, null);
    if (some.length > 1 && changesBytes(changes) > OFFER_BYTES) {
      for (const key of some) await offerRows(tx, env, plan, { tenant, keys: [key], via });
    } else {
      const { rows } = await tx.query<{ stamp: string }>(`select stamp::text as stamp from hayloft.lock_head($1)`, [tenant]);
      await keepForeign(tx, env, { tenant, peer: via, from: "child" }, [
        sealOffer(env, tenant, BigInt(rows[0]?.stamp ?? "0"), changes.map(asOffer)),
      ]);
    }
  }
}

/** A commit of its own origin: it has no place among the commits of anybody. */
function sealOffer(env: ReplicaEnvironment, tenant: string, stamp: bigint, changes: readonly Change[]): Commit {
  const header = {
    tenant,
    origin: newId(),
    seq: 1,
    stamp,
    node: env.nodeId,
    author: null,
    catalogVersion: env.catalog.version,
    previousHash: firstPreviousHash(),
  };
  const digests = changes.map((change) => changeDigest(change, changeBody(change), env.sha256));
  return { ...header, tier: env.tier, changes, hash: commitHashOf(header, digests, env.sha256) };
}
