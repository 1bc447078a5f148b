import { cpSync } from "node:fs";
import path from "node:path";
import { onTestFinished } from "vitest";
import { createIdentity, type KeyIdentity } from "../identity/node-identity.ts";
import { newId } from "../identity/new-id.ts";
import type { Link } from "../link/link.ts";
import { wsDial } from "../link/ws/ws-link.ts";
import type { OpenReplicaOptions, ParentAddress } from "../replica/open-replica.ts";
import { enrol, type Harbour, type HarbourReplica, type harbourCatalog, tenant } from "../replica/testing/harbour.ts";
import type { Database } from "../store/database.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import { dropPostgres, freshPostgresUrl } from "../testing/fresh-postgres.ts";
import { tempDir } from "../testing/temp-dir.ts";

/** Replicas whose directories the tests copy and put back. */

export interface Shore {
  readonly harbour: Harbour;
  readonly hub: HarbourReplica;
  readonly parent: ParentAddress;
}

/** A hub on Postgres that serves children. */
export async function shore(harbour: Harbour, more: Partial<OpenReplicaOptions<typeof harbourCatalog>> = {}): Promise<Shore> {
  const { replica: hub, identity } = await harbour.hub(await harbour.fresh("cloud"), more);
  const { url } = await harbour.serve(hub);
  return {
    harbour,
    hub,
    parent: { url, node: identity.nodeId, publicKey: identity.publicKey, reconnect: { baseMs: 20, capMs: 100 } },
  };
}

/** A store that can be opened, closed and copied while it is closed. */
export interface Hold {
  open(): Promise<Database>;
  copy(): Promise<Hold>;
}

/** PGlite in a directory. */
export class DirectoryHold implements Hold {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<DirectoryHold> {
    return new DirectoryHold(await tempDir());
  }

  async open(): Promise<Database> {
    return await openPgliteDatabase({ dataDir: this.directory, durable: false });
  }

  async copy(): Promise<DirectoryHold> {
    const directory = await tempDir();
    cpSync(path.join(this.directory, "pgdata"), path.join(directory, "pgdata"), { recursive: true });
    return new DirectoryHold(directory);
  }
}

/** A database of the shared Postgres server. Copying one takes a tenth of the time that a directory of PGlite takes to open. */
export class ServerHold implements Hold {
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
    onTestFinished(async () => await dropPostgres(url));
  }

  static async make(): Promise<ServerHold> {
    return new ServerHold(await freshPostgresUrl());
  }

  async open(): Promise<Database> {
    return await openPostgresDatabase({ connectionString: this.url, poolMax: 5 });
  }

  async copy(): Promise<ServerHold> {
    return new ServerHold(await freshPostgresUrl(this.url));
  }
}

interface StartOptions {
  readonly alone?: boolean;
  readonly parent?: ParentAddress;
  readonly after?: Promise<void>;
}

/** A replica that can be stopped, copied and started again. */
export class Ship {
  readonly identity: KeyIdentity;
  readonly hold: Hold;
  readonly #harbour: Harbour;
  readonly #parent: ParentAddress;
  replica: HarbourReplica | null = null;
  #database: Database | null = null;

  constructor(harbour: Harbour, identity: KeyIdentity, parent: ParentAddress, hold: Hold) {
    this.identity = identity;
    this.#harbour = harbour;
    this.#parent = parent;
    this.hold = hold;
    harbour.onClose(async () => await this.stop());
  }

  static async enrolled({ harbour, hub, parent }: Shore, hold: Hold, tier = "edge"): Promise<Ship> {
    const identity = createIdentity({ tier, tenant });
    await enrol(hub, identity);
    return new Ship(harbour, identity, parent, hold);
  }

  /** Opens it; `alone`: without its parent; `parent`: at another address; `after`: it dials no earlier. */
  async start({ alone = false, parent = this.#parent, after = Promise.resolve() }: StartOptions = {}): Promise<HarbourReplica> {
    this.#database = await this.hold.open();
    const dial = wsDial(parent);
    const late = async (signal: AbortSignal): Promise<Link> => {
      await after;
      return await dial(signal);
    };
    this.replica = await this.#harbour.open(this.#database, this.identity, alone ? { dial: noDial } : { parent, dial: late });
    return this.replica;
  }

  async stop(): Promise<void> {
    const [replica, database] = [this.replica, this.#database];
    this.replica = null;
    this.#database = null;
    await replica?.close();
    await database?.close();
  }

  /** A machine with the same identity and a store as this one's is now, which must be stopped: a copied disk, or an older image. */
  async twin(): Promise<Ship> {
    return new Ship(this.#harbour, this.identity, this.#parent, await this.hold.copy());
  }
}

/** A hub whose database is restored under the same identity. */
export class RestorableHub {
  readonly identity = createIdentity({ tier: "cloud", tenant: null });
  readonly #harbour: Harbour;
  #close: () => Promise<void> = async () => undefined;

  constructor(harbour: Harbour) {
    this.#harbour = harbour;
    harbour.onClose(async () => await this.stop());
  }

  async start(database: Database): Promise<Shore> {
    const hub = await this.#harbour.open(database, this.identity);
    const { url } = await this.#harbour.serve(hub);
    this.#close = async () => {
      await hub.close();
      await database.close();
    };
    const { nodeId: node, publicKey } = this.identity;
    return { harbour: this.#harbour, hub, parent: { url, node, publicKey, reconnect: { baseMs: 20, capMs: 100 } } };
  }

  async stop(): Promise<void> {
    const close = this.#close;
    this.#close = async () => undefined;
    await close();
  }
}

const noDial = async (): Promise<never> => await new Promise<never>(() => undefined);

export const sight = async (replica: HarbourReplica, ...whats: readonly string[]): Promise<void> => {
  for (const what of whats)
    await replica.db.insertInto("sighting").values({ tenant_id: tenant, id: newId(), ship_id: null, what }).execute();
};

export const seen = async (replica: HarbourReplica): Promise<string> =>
  (await replica.db.selectFrom("sighting").select("what").orderBy("what").execute()).map((row) => row.what).join(" ");

/** Writes or changes a note. */
export const jot = async (replica: HarbourReplica, id: string, body: string): Promise<void> => {
  await replica.db
    .insertInto("note")
    .values({ tenant_id: tenant, id, ship_id: null, body })
    .onConflict((on) => on.columns(["tenant_id", "id"]).doUpdateSet({ body }))
    .execute();
};

export const notes = async (replica: HarbourReplica): Promise<string> =>
  (await replica.db.selectFrom("note").select(["id", "body"]).orderBy("id").execute())
    .map((row) => `${row.id}=${row.body}`)
    .join(" ");
