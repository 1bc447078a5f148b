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

/** Where offered rows belong, and where they came from: they are not sent back there. */
interface OfferPlace {
  readonly tenant: string;
  readonly via: string;
}

/** Puts rows as they are here into our log, for the parent; absent rows as deletes. */
export async function offerRows(
  tx: SqlSession,
  env: ReplicaEnvironment,
  plan: RowPlan,
  { keys, ...place }: OfferPlace & { readonly keys: readonly string[] },
): Promise<void> {
  await offerChanges(tx, env, { ...place, keys }, async (some) => await readTruth(tx, plan, place.tenant, some, null));
}

/** Puts what `changesOf` says of rows into our log, in commits that a frame can hold. */
export async function offerChanges(
  tx: SqlSession,
  env: ReplicaEnvironment,
  { tenant, via, keys }: OfferPlace & { readonly keys: readonly string[] },
  changesOf: (keys: readonly string[]) => Promise<readonly Change[]>,
): Promise<void> {
  for (let start = 0; start < keys.length; start += OFFER_ROWS) {
    const some = keys.slice(start, start + OFFER_ROWS);
    const changes = await changesOf(some);
    if (some.length > 1 && changesBytes(changes) > OFFER_BYTES) {
      for (const key of some) await offerChanges(tx, env, { tenant, via, keys: [key] }, changesOf);
    } else if (changes.length > 0) {
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
