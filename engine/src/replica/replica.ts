import type { Compilable, Kysely } from "kysely";
import type { Outcome } from "../commit/commit.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { Journal } from "../journal/journal.ts";
import type { Reviews } from "../review/review.ts";
import type { AskedCommit, CommitReceipt } from "../receipt/read-receipt.ts";
import type { SignedReport } from "../digest/signed-report.ts";
import type { Link } from "../link/link.ts";
import type { Database, SqlSession } from "../store/database.ts";
import type { DocumentEdit, DocumentPlace } from "./edit-document.ts";
import type { ReplicaStatus } from "./replica-status.ts";

/**
 * `device`: committed on this replica. `parent`: at the parent. `top`: at the top of the tree. `safe`: the loss of the parent's whole site does not reach it,
 * which only a parent says that has a second site.
 */
export type ReceiptLevel = "device" | "parent" | "top" | "safe";

/** A written commit that can be asked, and awaited, how far it has come. Survives a restart through `replica.receipt`. */
export interface Receipt {
  readonly tenant: string;
  readonly origin: string;
  readonly seq: number;
  /**
   * Resolves when the commit has reached the level, with what became of it there; a refusal ends it wherever that was. Throws
   * `receipt-timeout` after `deadlineMs` (default: never) with the level that was `reached`; the commit is still on its way then.
   */
  until(level: ReceiptLevel, options?: { readonly deadlineMs?: number }): Promise<ReceiptOutcome>;
  /** How far it has come by now, with times. */
  read(): Promise<CommitReceipt>;
}

export interface ReceiptOutcome {
  readonly outcome: Outcome;
  /** Why it was refused, else null. */
  readonly code: ErrorCode | null;
}

/** An open replica: the application's database with replication running underneath. */
export interface Replica<Rows> {
  /** Reads and writes of any kind; what is written is captured and replicated. */
  readonly db: Kysely<Rows>;
  readonly database: Database;
  /**
   * Runs `work` in one transaction, which becomes one commit. `receipt` is null when nothing replicated was changed. A
   * transaction over several tenants makes a commit each; the receipt is that of the first in tenant order.
   */
  write<T>(
    work: (db: Kysely<Rows>, tx: SqlSession) => Promise<T>,
    options?: { readonly author?: string },
  ): Promise<{ readonly result: T; readonly receipt: Receipt | null }>;
  /** Edits one document in a transaction of its own, as `editDocument` does; it works in a transaction of `write` as well. */
  editDocument(place: DocumentPlace, edit: DocumentEdit, options?: { readonly author?: string }): Promise<Receipt | null>;
  /** The receipt of a commit written earlier, also before a restart. */
  receipt(commit: Pick<Receipt, "tenant" | "origin" | "seq">): Receipt;
  /** How far many commits have come, in the order asked. */
  receipts(commits: readonly AskedCommit[]): Promise<readonly CommitReceipt[]>;
  /**
   * Those of the commits that `openReplica` was given as `kept` that are in no database any more: neither in this one, which began anew, nor at the parent.
   * What they did has to be done again. Null while the parent has not been asked; ask again when there was a session.
   */
  lost(): Promise<readonly AskedCommit[] | null>;
  /**
   * Has the row arrived? The receipt of the last commit that wrote it, as far as this replica knows; null when the log holds none any
   * more. `key` is the primary key without the tenant; `tenant` is needed at the top only.
   */
  receiptOfRow(table: string, key: readonly string[], tenant?: string): Promise<CommitReceipt | null>;
  /** What lost a merge, and how to put it back. */
  readonly journal: Journal;
  /** Values that wait for a person's decision, and the decision. */
  readonly reviews: Reviews;
  /**
   * Everything that is known here of a cell, or of a row without `column`: what stands and who wrote it, the rule, the commits with
   * their times, what lost, what is held. Throws `not-found` for an unknown table or column.
   */
  explain(table: string, key: readonly string[], column?: string | null, tenant?: string): Promise<Explanation>;
  /**
   * Calls `onRows` with the query's rows now and after each commit, ours or applied, that changed them. Errors of the
   * query are logged as `live-query-failed`, and it is tried again at the next commit. Returns the unsubscriber.
   */
  live<Row>(query: (db: Kysely<Rows>) => Compilable<Row>, onRows: (rows: readonly Row[]) => void): () => void;
  /** Refused commits, of others and of our own: see them, correct and send again, discard, have them judged again. */
  readonly quarantine: Quarantine;
  /**
   * Compares all rows, or those of some tables, with the parent's, row by row where they differ, sets right what is damaged on either side, and tells in a report signed
   * with this node's key what was found. Throws `unavailable` without a session to a parent of the same version, or while rows still come in.
   */
  verify(options?: { readonly tables?: readonly string[] }): Promise<SignedReport>;
  /**
   * Takes in that the write-ahead log of this database, on Postgres, is stored at another site up to `wal` (a `pg_lsn`; see `readStoredElsewhere`), and tells the children
   * what of theirs is safe. What came in since the call before is told by a later one, so call it every few seconds.
   */
  storedElsewhere(wal: string): Promise<void>;
  status(): Promise<ReplicaStatus>;
  /** The children that have a session with this process now; needs no database. */
  children(): readonly { readonly tenant: string; readonly node: string; readonly name: string }[];
  /** Takes over a connection from a child. `serveChildren` calls it; other servers may too. */
  accept(link: Link): void;
  /** Asks every child to connect again after `afterMs` (default 1,000) and accepts no new ones; resolves when all have gone. */
  drain(afterMs?: number): Promise<void>;
  /** Ends every session. The database stays open: it belongs to the caller. */
  close(): Promise<void>;
}
