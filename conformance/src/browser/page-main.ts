import type { AskedCommit, Database, IdentityRecord, Replica } from "@hayloft/engine";
import { createIdentity, identityFromRecord, openReplica } from "@hayloft/engine";
import { openBrowserDatabase } from "@hayloft/engine/browser";
import type { FarmRows } from "@hayloft/schema";
import { farmCatalog, farmMigrations } from "@hayloft/schema";

/** What the test's page offers to the test: a tablet's replica, and SQL on its database. */
export interface TabletPage {
  createIdentity(): IdentityRecord & { readonly publicKey: readonly number[] };
  open(options: {
    readonly store: string | null;
    readonly identity: IdentityRecord;
    readonly parent: { readonly url: string; readonly node: string; readonly publicKey: readonly number[] };
    /** Commits of which the page's application remembers the names. */
    readonly kept?: readonly AskedCommit[];
    /** False leaves the parent undialled. */
    readonly online?: boolean;
  }): Promise<void>;
  /**
   * Runs SQL in a transaction of the replica and resolves when the parent's tier that `until` names has it, if one is named, to the commit's
   * name.
   */
  write(sql: string, parameters: readonly (string | number)[], until: "top" | null): Promise<AskedCommit | null>;
  /** See `Replica.lost`. */
  lost(): Promise<readonly AskedCommit[] | null>;
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
  connected(): Promise<boolean>;
  durability(): string;
  /** Opens a database alone, without a replica, for `sql`; it stays open until the page goes. */
  openStore(store: string | null, image?: string): Promise<void>;
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
  close(): Promise<void>;
}

const worker = (): Worker => new Worker(new URL("./page-worker.js", import.meta.url), { type: "module" });
/** Served beside the page. */
const IMAGE = "image.tar.gz";
let bare: Database | null = null;
let replica: Replica<FarmRows> | null = null;

function opened(): Replica<FarmRows> {
  if (replica === null) throw new Error("not open");
  return replica;
}

const page: TabletPage = {
  createIdentity: () => {
    const made = createIdentity({ tier: "tablet", tenant: null });
    return { ...made.toRecord(), publicKey: [...made.publicKey] };
  },
  open: async ({ store, identity, parent, kept = [], online = true }) => {
    const database = await openBrowserDatabase({ store, worker, image: IMAGE });
    replica = await openReplica({
      catalog: farmCatalog,
      migrations: farmMigrations,
      database,
      identity: identityFromRecord(identity),
      kept,
      ...(online && { parent: { ...parent, publicKey: Uint8Array.from(parent.publicKey) } }),
    });
  },
  write: async (sql, parameters, until) => {
    const { receipt } = await opened().write(async (_db, tx) => await tx.query(sql, parameters));
    if (until !== null) await receipt?.until(until);
    return receipt === null ? null : { tenant: receipt.tenant, origin: receipt.origin, seq: receipt.seq };
  },
  lost: async () => await opened().lost(),
  query: async (sql) => (await opened().database.query(sql)).rows,
  connected: async () => (await opened().status()).peers.some(({ connected }) => connected),
  durability: () => opened().database.durability,
  openStore: async (store, image = IMAGE) => {
    bare = await openBrowserDatabase({ store, worker, image });
  },
  sql: async (text) => (await bare?.query(text))?.rows ?? [],
  close: async () => {
    const { database } = opened();
    await opened().close();
    await database.close();
    replica = null;
  },
};

(globalThis as unknown as { tablet: TabletPage }).tablet = page;
