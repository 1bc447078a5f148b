import type { Database } from "../store/database.ts";

/** A state of a database that many tests begin with: it is made once, and found again by its key. */
export interface Preparation {
  /** Equal for equal states. */
  readonly key: string;
  /** Brings an empty database to the state. */
  readonly prepare: (database: Database) => Promise<void>;
}

/** Opens a database for one test, empty or as prepared. */
export type OpenDatabase = (preparation?: Preparation) => Promise<Database>;
