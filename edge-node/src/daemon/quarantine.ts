import type { HeldHeader, HeldId, Quarantine, ReleaseResult } from "@hayloft/engine";
import { editCells, parseEdit } from "@hayloft/engine";

export type Shown = Readonly<Record<string, unknown>>;

/** What can be asked of, and done with, the barn's refused commits. */
export class EdgeQuarantine {
  readonly #quarantine: Quarantine;
  readonly #tenant: string;

  constructor(quarantine: Quarantine, tenant: string) {
    this.#quarantine = quarantine;
    this.#tenant = tenant;
  }

  /** Held commits without what they would change. */
  async list(limit: number): Promise<readonly Shown[]> {
    return (await this.#quarantine.list({ tenant: this.#tenant, limit })).map(shownHeader);
  }

  /** One refused commit with its changes, for a person to judge; null when it is not there. */
  async show({ origin, seq }: HeldId): Promise<Shown | null> {
    const held = await this.#quarantine.read({ tenant: this.#tenant, origin, seq });
    return held === null ? null : { ...shownHeader(held), changes: held.commit.changes };
  }

  /** `edits` as `table.column=value`. */
  async resend({ origin, seq }: HeldId, edits: readonly string[], person: string | null): Promise<HeldId> {
    const parsed = edits.map(parseEdit);
    return await this.#quarantine.resend(
      { tenant: this.#tenant, origin, seq },
      { edit: (changes) => editCells(changes, parsed), ...(person !== null && { person }) },
    );
  }

  async discard({ origin, seq }: HeldId, reason: string, person: string | null): Promise<void> {
    await this.#quarantine.discard({ tenant: this.#tenant, origin, seq }, { reason, ...(person !== null && { person }) });
  }

  async release({ origin, seq }: HeldId, person: string | null): Promise<ReleaseResult> {
    return await this.#quarantine.release({ tenant: this.#tenant, origin, seq }, person === null ? {} : { person });
  }
}

const shownHeader = (header: HeldHeader): Shown => ({
  held_at: header.heldAt,
  code: header.code,
  state: header.state,
  retryable: header.retryable,
  tenant: header.tenant,
  origin: header.origin,
  seq: header.seq,
  node: header.node,
  tier: header.tier,
  author: header.author,
  peer: header.peer,
  cause: header.cause === null ? null : `${header.cause.origin} ${String(header.cause.seq)}`,
  tables: header.tables,
  rows: header.rows,
});
