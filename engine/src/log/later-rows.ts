import type { ReplicaEnvironment } from "../apply/apply-environment.ts";
import type { Change } from "../commit/commit.ts";
import { rowKeys } from "../merge/row-change.ts";
import type { RowPlan } from "../merge/row-plan.ts";
import type { AckRecord } from "../replica/replica-storage.ts";
import type { SqlSession } from "../store/database.ts";
import { unacknowledgedRows } from "./unacknowledged.ts";

/**
 * Which rows that the answers of an acknowledgement speak of were touched by later commits of ours. The log behind it is read once for each
 * table, however many answers there are: a week of work may wait there.
 */
export class LaterRows {
  readonly #tx: SqlSession;
  readonly #env: ReplicaEnvironment;
  readonly #ack: AckRecord;
  readonly #tables = new Map<string, ReadonlyMap<string, number>>();

  constructor(tx: SqlSession, env: ReplicaEnvironment, ack: AckRecord) {
    this.#tx = tx;
    this.#env = env;
    this.#ack = ack;
  }

  /** The keys of a truth change that commits behind `position` touched, which is not before the acknowledged one. */
  async behind(position: number, truth: Change, plan: RowPlan): Promise<ReadonlySet<string>> {
    const touched = this.#tables.get(plan.table.name) ?? (await this.#read(plan));
    this.#tables.set(plan.table.name, touched);
    return new Set(rowKeys(truth, plan).filter((key) => (touched.get(key) ?? 0) > position));
  }

  async #read(plan: RowPlan): Promise<ReadonlyMap<string, number>> {
    const { tenant, peer, position, outcomes } = this.#ack;
    const truth = outcomes.flatMap((outcome) => outcome.truth).filter(({ table }) => table === plan.table.name);
    const keys = [...new Set(truth.flatMap((change) => rowKeys(change, plan)))];
    return await unacknowledgedRows(this.#tx, this.#env, { tenant, peer, position }, plan, keys);
  }
}
