import { actionsOf } from "./action-rows.ts";
import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Commit } from "../commit/commit.ts";
import { storeOutcome } from "../receipt/outcomes.ts";
import type { SqlSession } from "../store/database.ts";
import { type HeldCommit, readHeld } from "./held-commit.ts";
import { closeHeld } from "./hold-commits.ts";
import { releaseAll } from "./release-after.ts";
import { dependantsOf } from "./settle-refused.ts";
import { sourceOf } from "./try-release.ts";

/**
 * Does what an applied commit says about commits that are held here. The first word counts: a commit that is settled already
 * stays as it is, and its author is told so.
 */
export async function takeActions(tx: SqlSession, env: ReplicaEnvironment, commit: Commit): Promise<void> {
  for (const { origin, seq, action } of actionsOf(commit)) {
    const held = await readHeld(tx, commit.tenant, origin, seq, true);
    if (held === null || held.state !== "held") continue;
    if (action === "resent" || action === "discarded") await settleHeld(tx, env, held, action);
    else if (held.peer !== null) await releaseAll(tx, env, commit.tenant, [held]);
  }
}

/**
 * Ends the holding of a commit by a person's word. Where it is held for others its child is told, and what builds on it follows:
 * it is discarded with it, or tried behind the commit that took its place.
 */
export async function settleHeld(
  tx: SqlSession,
  env: ReplicaEnvironment,
  held: HeldCommit,
  state: "resent" | "discarded",
): Promise<void> {
  const { tenant, peer } = held;
  await closeHeld(tx, tenant, held, state);
  if (peer === null) return;
  const behind = await dependantsOf(tx, tenant, held);
  await tellSettled(tx, held, state);
  if (state === "discarded") {
    for (const id of behind) {
      const item = await readHeld(tx, tenant, id.origin, id.seq, true);
      if (item === null) continue;
      await closeHeld(tx, tenant, item, "discarded");
      await tellSettled(tx, item, "discarded");
    }
    return;
  }
  for (const id of behind)
    await tx.query(
      `update hayloft.quarantine set restamp = true where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint`,
      [tenant, id.origin, id.seq],
    );
  await releaseAll(tx, env, tenant, behind);
}

async function tellSettled(
  tx: SqlSession,
  { tenant, origin, seq, peer }: HeldCommit,
  state: "resent" | "discarded",
): Promise<void> {
  const child = peer !== null && (await sourceOf(tx, tenant, peer)).from === "child" ? peer : null;
  await storeOutcome(
    tx,
    { tenant, origin, seq },
    { outcome: "refused", code: state === "resent" ? "refused-resent" : "refused-discarded", peer: child, toldPosition: null },
  );
}
