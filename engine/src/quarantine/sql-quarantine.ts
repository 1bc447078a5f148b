import { beginApplying, type ReplicaEnvironment } from "../apply/apply-environment.ts";
import { liftCommit } from "../apply/lift-commits.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { refusalOf } from "../sql/sqlstate.ts";
import type { Database, SqlSession } from "../store/database.ts";
import {
  countHeld,
  type HeldCommit,
  type HeldCount,
  type HeldHeader,
  type HeldId,
  listHeaders,
  type QuarantineFilter,
  readHeld,
} from "./held-commit.ts";
import type { HeldName, Quarantine, ReleaseResult, ResendOptions } from "./quarantine.ts";
import type { QuarantineAction } from "./quarantine-action.ts";
import { ACTION_TABLE } from "./quarantine-tables.ts";
import { readReported } from "./reported-commit.ts";
import { releaseAll } from "./release-after.ts";
import { settleHeld } from "./take-actions.ts";
import { withoutCorrectedOps, writeAgain } from "./write-again.ts";

const REASON_LENGTH_MAX = 2_000;

/** A held commit, and where. `complete`: with its changes. */
type Found = HeldCommit & { readonly place: "here" | "below"; readonly complete: boolean };

/** `Quarantine` over a Postgres database. */
export class SqlQuarantine implements Quarantine {
  readonly #database: Database;
  readonly #env: ReplicaEnvironment;

  constructor(database: Database, env: ReplicaEnvironment) {
    this.#database = database;
    this.#env = env;
  }

  async list(filter: QuarantineFilter): Promise<readonly HeldHeader[]> {
    return await listHeaders(this.#database, filter);
  }

  async count(tenant: string | null = null): Promise<readonly HeldCount[]> {
    return await countHeld(this.#database, tenant);
  }

  async read(name: HeldName): Promise<HeldCommit | null> {
    return await this.#find(this.#database, name, false);
  }

  /** Held here, or below as far as it was reported. */
  async #find(session: SqlSession, name: HeldName, lock: boolean): Promise<Found | null> {
    const held = await readHeld(session, name.tenant, name.origin, name.seq, lock);
    if (held !== null) return { ...held, place: "here", complete: true };
    if (!this.#env.catalog.byName.has(ACTION_TABLE)) return null;
    const reported = await readReported(session, name);
    return reported === null ? null : { ...reported, place: "below" };
  }

  async #lock(tx: SqlSession, name: HeldName): Promise<Found> {
    const { tenant, origin, seq } = name;
    const held = await this.#find(tx, name, true);
    if (held === null) throw new HayloftError("not-found", { what: "held commit", tenant, origin, seq });
    return held;
  }

  async resend(name: HeldName, { edit, person, reason }: ResendOptions = {}): Promise<HeldId> {
    this.#needActions();
    const resent = this.#database.transaction(async (tx) => {
      const held = await this.#lock(tx, name);
      if (held.state === "resent") return (await replacementOf(tx, name)) ?? { origin: name.origin, seq: name.seq };
      mustBeHeld(held);
      if (!held.complete)
        throw new HayloftError("not-found", { what: "values", node: held.peer, reason: "act where it is held" });
      await nameAuthor(tx, person);
      const commit = liftCommit(this.#env.lens, held.commit);
      if (commit === null) throw new HayloftError("refused-schema", { catalogVersion: held.commit.catalogVersion });
      const changes = edit === undefined ? commit.changes : withoutCorrectedOps(this.#env, commit.changes, edit(commit.changes));
      await writeAgain(tx, this.#env, name.tenant, changes);
      const replacement = await this.#act(tx, held, "resent", person ?? null, reason ?? null);
      await this.#settle(tx, held, "resent");
      return replacement;
    });
    return await resent.catch((error: unknown) => {
      throw refusalOf(error);
    });
  }

  async discard(name: HeldName, { reason, person }: { readonly reason: string; readonly person?: string }): Promise<void> {
    this.#needActions();
    if (reason.trim() === "" || reason.length > REASON_LENGTH_MAX)
      throw new HayloftError("request-invalid", { part: "reason", charactersMax: REASON_LENGTH_MAX });
    await this.#database.transaction(async (tx) => {
      const held = await this.#lock(tx, name);
      if (held.state === "discarded") return;
      mustBeHeld(held);
      await nameAuthor(tx, person);
      await this.#act(tx, held, "discarded", person ?? null, reason);
      await this.#settle(tx, held, "discarded");
    });
  }

  async release(name: HeldName, { person }: { readonly person?: string } = {}): Promise<ReleaseResult> {
    this.#needActions();
    await this.#database.transaction(async (tx) => {
      const held = await this.#lock(tx, name);
      mustBeHeld(held);
      await nameAuthor(tx, person);
      await this.#act(tx, held, "release", person ?? null, null);
      if (held.peer === null || held.place === "below") return;
      await beginApplying(tx);
      await releaseAll(tx, this.#env, name.tenant, [held]);
    });
    const now = await this.read(name);
    const released = now?.state === "applied" || now?.state === "merged";
    return { released, code: released ? null : (now?.code ?? null) };
  }

  #needActions(): void {
    if (this.#env.catalog.byName.has(ACTION_TABLE)) return;
    throw new HayloftError("config-invalid", {
      setting: "catalog.tables",
      reason: `add quarantineTables(tiers): ${ACTION_TABLE}`,
    });
  }

  /** Writes the entry in the log of actions and calls the hook; returns the commit that holds them. */
  async #act(
    tx: SqlSession,
    held: HeldCommit,
    action: QuarantineAction["action"],
    person: string | null,
    reason: string | null,
  ): Promise<HeldId> {
    const { tenant, origin, seq } = held;
    const entry = { id: newId(), tenant, origin, seq, action, node: this.#env.nodeId, person, reason };
    const insert = async (replacement: HeldId | null): Promise<void> => {
      await tx.query(
        `insert into ${ACTION_TABLE} (tenant_id, id, origin, seq, action, node_id, new_origin, new_seq, person, reason)
        values ($1, $2::uuid, $3::uuid, $4::bigint, $5, $6::uuid, $7::uuid, $8::bigint, $9, $10)`,
        [
          tenant,
          entry.id,
          origin,
          seq,
          action,
          entry.node,
          replacement?.origin ?? null,
          replacement?.seq ?? null,
          person,
          reason,
        ],
      );
    };
    // What is written after the seal belongs to the same commit, so the entry can name the commit that it is part of.
    const sealed = action === "resent" ? await nextCommit(tx, tenant) : null;
    await insert(sealed);
    await this.#env.onQuarantineAction?.(tx, { ...entry, replacement: sealed });
    return sealed ?? { origin, seq };
  }

  /** What is held below is settled there, when the entry has come down. */
  async #settle(tx: SqlSession, held: Found, state: "resent" | "discarded"): Promise<void> {
    if (held.place === "below") return;
    await tx.script("set constraints all immediate; set constraints all deferred");
    await beginApplying(tx);
    await settleHeld(tx, this.#env, held, state);
  }
}

function mustBeHeld({ state, tenant, origin, seq }: HeldCommit): void {
  if (state !== "held") throw new HayloftError("quarantine-closed", { tenant, origin, seq, state });
}

async function nameAuthor(tx: SqlSession, person: string | undefined): Promise<void> {
  if (person !== undefined) await tx.query("select set_config('hayloft.author', $1, true)", [person]);
}

/** The name of the commit that this transaction makes for the tenant; takes the head lock, so that nobody gets it first. */
async function nextCommit(tx: SqlSession, tenant: string): Promise<HeldId> {
  const { rows } = await tx.query<HeldId>(`select h.incarnation as origin, h.seq + 1 as seq from hayloft.lock_head($1) as h`, [
    tenant,
  ]);
  const [row] = rows;
  if (row === undefined) throw new HayloftError("unavailable", { reason: "no-log" });
  return row;
}

async function replacementOf(tx: SqlSession, { tenant, origin, seq }: HeldName): Promise<HeldId | null> {
  const { rows } = await tx.query<HeldId>(
    `select new_origin as origin, new_seq as seq from ${ACTION_TABLE}
    where tenant_id = $1 and origin = $2::uuid and seq = $3::bigint and action = 'resent' and new_origin is not null
    order by acted_at, id limit 1`,
    [tenant, origin, seq],
  );
  return rows[0] ?? null;
}
