import type { Retry } from "./hayloft-error.ts";

interface ErrorCodeEntry {
  /** What happened, one sentence. */
  readonly what: string;
  /** What the reader should do, one sentence. */
  readonly todo: string;
  readonly retry: Retry;
}

const entry = (retry: Retry, what: string, todo: string): ErrorCodeEntry => ({ what, todo, retry });

/** Every error code of the engine. The manual in `docs/errors.md` is generated from this list. */
export const errorCodes = {
  // The catalog and its migrations
  "catalog-invalid": entry("never", "The catalog breaks a rule of the architecture.", "Correct the table named in the details."),
  "migration-invalid": entry(
    "never",
    "The migration list is not what was applied before.",
    "Restore the changed migration and add a new one instead.",
  ),
  "migration-failed": entry(
    "never",
    "A migration failed and was rolled back whole.",
    "Read the cause, correct the migration, start again.",
  ),
  "database-newer": entry(
    "never",
    "The database was migrated by a newer version of this program.",
    "Start the newer version; nothing in the database was changed.",
  ),

  // The store
  "store-locked": entry("never", "Another process holds the data directory.", "Stop that process, or use another directory."),
  "store-unsafe": entry(
    "never",
    "The file system cannot make writes durable.",
    "Put the data directory on a disk that honours fsync.",
  ),
  "store-version": entry(
    "never",
    "The data directory was made by a version of PGlite that this program cannot read or move.",
    "Start the version of the program that made it; nothing in the directory was changed.",
  ),
  "store-failed": entry(
    "backoff",
    "The store stopped after an input or output error.",
    "Check the disk; the daemon reopens the store by itself.",
  ),
  "store-damaged": entry(
    "never",
    "What lies on the disk of the store is not what was written.",
    "Start the daemon again: it keeps the damaged store aside, saves what was not sent, and begins anew from its parent.",
  ),
  "store-full": entry("backoff", "The disk is full.", "Free some space; nothing that was acknowledged is lost."),
  "image-invalid": entry(
    "never",
    "A prepared image is damaged, or not what the parent signed for this node.",
    "Nothing: the rows come page by page instead; look at the parent when it happens again.",
  ),
  "store-closed": entry("never", "The store is closed.", "Open it again before using it."),
  "sql-failed": entry("never", "The database refused a statement.", "See the SQLSTATE in the details."),

  // Sessions
  "protocol-version": entry(
    "never",
    "The peer speaks no protocol version that this replica speaks.",
    "Upgrade the older of the two.",
  ),
  "catalog-version": entry(
    "never",
    "The peer's catalog version is outside the supported window.",
    "Upgrade the older of the two; local work goes on.",
  ),
  "frame-invalid": entry("never", "A frame is not well formed.", "The session was closed; report the sender's version."),
  "frame-too-large": entry(
    "never",
    "A frame or its declared size is above the limit.",
    "Split the batch; the session was closed.",
  ),
  "frame-unexpected": entry(
    "never",
    "A frame is not allowed in this state of the session.",
    "The session was closed; report the sender's version.",
  ),
  "auth-failed": entry(
    "backoff",
    "The peer could not prove who it is.",
    "Enrol the node again, or check that it was not revoked.",
  ),
  "auth-revoked": entry("backoff", "The node was revoked.", "Enrol the node again if that was a mistake."),
  "session-replaced": entry(
    "backoff",
    "A newer session of the same node took over.",
    "Make sure that no copy of this node is running.",
  ),
  "session-timeout": entry("backoff", "The peer was silent for too long.", "The link is tried again by itself."),
  "sequence-gap": entry(
    "resync",
    "Commits are missing between two frames.",
    "The stream restarts from the last applied position.",
  ),
  "content-hash": entry(
    "resync",
    "A commit does not hash to what its author sealed.",
    "The stream restarts; if it persists, check both stores.",
  ),
  "history-diverged": entry(
    "resync",
    "The peer's history and ours part at an acknowledged commit.",
    "One of the two was restored or copied; it begins a new incarnation and comes back by itself.",
  ),
  "clock-ahead": entry(
    "resync",
    "The peer's clock is further ahead than the limit.",
    "Set its clock; unsent commits were stamped again.",
  ),
  "behind-horizon": entry("resync", "The position asked for was pruned.", "A snapshot is taken instead."),
  draining: entry("backoff", "The parent is shutting down.", "Connect again after the stated delay."),
  "limit-reached": entry("backoff", "A limit was reached.", "Wait, or raise the limit named in the details."),
  unavailable: entry(
    "backoff",
    "What is needed for it does not answer, or cannot take it now: a peer, its database, or the program that was asked.",
    "Sessions and jobs try again by themselves; give a command again, and look at the address or the SQLSTATE in the details.",
  ),

  // Outcomes of commits
  "refused-writer": entry("never", "This tier may not write that table or column.", "Make the change where the table is owned."),
  "refused-scope": entry("never", "The row lies outside the author's grant.", "Ask for the grant, or discard the change."),
  "refused-rule": entry("never", "The table's rule does not allow this change.", "Correct the row by the means the rule offers."),
  "refused-content": entry(
    "never",
    "A row with the same identity and other content exists.",
    "Compare both versions and keep one.",
  ),
  "refused-constraint": entry("never", "A constraint of the table does not hold.", "Correct the values and send again."),
  "refused-late": entry(
    "never",
    "The change adds to a counter, a set, a review or a document, and arrived after everything of its time and node was folded together.",
    "Send it again from quarantine: what it did is then done to the present value.",
  ),
  "refused-document": entry(
    "never",
    "The document holds as much as it can, or its history does.",
    "Make the document shorter, or begin another row, and write the edit again.",
  ),
  "refused-parent": entry("backoff", "The row's parent row does not exist here.", "It is applied when the parent arrives."),
  "refused-parent-deleted": entry(
    "never",
    "The row's parent row was deleted, and the reference says that such rows are refused.",
    "Bring the parent row back, or discard the change.",
  ),
  "refused-children": entry(
    "backoff",
    "Rows that are still here refer to the row that the commit takes away.",
    "It is applied when they are gone.",
  ),
  "refused-waiting": entry(
    "backoff",
    "The commit builds on one that waits here itself.",
    "It is applied, refused or discarded with that one.",
  ),
  "refused-dependent": entry(
    "backoff",
    "The commit builds on one that was refused.",
    "Settle the one that it names as its cause; this one follows.",
  ),
  "refused-resent": entry("never", "The refused change was corrected and sent again.", "See the commit that took its place."),
  "refused-discarded": entry(
    "never",
    "A person discarded the refused change.",
    "See who did so, and why, in the log of actions.",
  ),
  "refused-schema": entry(
    "never",
    "The change names a table or column that does not exist here.",
    "Upgrade the receiver; a change of a newer version is applied by itself then.",
  ),
  "refused-other": entry(
    "never",
    "The peer refused the commit for a reason that this version does not know.",
    "Upgrade this replica to see the reason.",
  ),
  "refused-history": entry(
    "never",
    "Another commit has come under this commit's name: two copies of its author wrote at the same time.",
    "Send it again from the quarantine; the author's replica begins a new incarnation when it meets a parent that has both.",
  ),
  "refused-size": entry("never", "The commit is above the size limit.", "Write it in smaller transactions."),

  "quarantine-full": entry(
    "backoff",
    "The receiver holds as many refused commits of this tenant as it may, and takes no commit that it would have to hold.",
    "Settle some of them (quarantine list), or raise the limit in the details; the sender keeps everything and tries again.",
  ),
  "quarantine-closed": entry(
    "never",
    "The held commit was settled in another way before.",
    "Read its state; nothing was changed.",
  ),

  // Local writes
  "write-refused": entry("never", "This replica may not make that change.", "Make the change where the table is owned."),
  "commit-too-large": entry(
    "never",
    "The transaction changes more than one commit may hold.",
    "Write it in smaller transactions.",
  ),
  "row-too-large": entry(
    "never",
    "A row is larger than a frame of the protocol holds.",
    "Keep large contents in files, or in several rows; a row takes at most 768 KiB.",
  ),
  "undo-refused": entry(
    "never",
    "The lost value cannot be put back.",
    "Read the reason in the details, and write the value anew.",
  ),
  "review-changed": entry(
    "never",
    "The values that wait for a decision are no longer those of this id, or somebody has decided.",
    "List the reviews again and decide on what is there now.",
  ),
  "receipt-timeout": entry("backoff", "The commit did not reach the asked level in time.", "It is still on its way; ask again."),

  // Blobs and uploads
  "upload-offset": entry(
    "backoff",
    "The bytes do not begin where those that are here end.",
    "Ask how many bytes are here and go on from there; nothing was changed.",
  ),
  "upload-busy": entry(
    "backoff",
    "Another request adds to the same upload.",
    "Wait until it has ended, then ask how far it came.",
  ),
  "blob-altered": entry(
    "backoff",
    "Bytes do not hash to, or are not as many as, what was announced.",
    "Send them again; when stored bytes are meant, get them from another replica or check the disk.",
  ),
  "blob-too-large": entry("never", "The content is larger than the limit.", "Send a smaller one; the limit is in the details."),

  // Backups of an edge node
  "backup-key": entry(
    "never",
    "The key does not open this backup, or the backup's first bytes were altered.",
    "Give the key that it was made for; when it is the right one, use another backup.",
  ),
  "backup-damaged": entry(
    "never",
    "The backup is cut off, was altered, or is no backup.",
    "Use another one; nothing was restored from this one.",
  ),
  "backup-differs": entry(
    "never",
    "The database in the backup does not hold what was saved.",
    "Use another backup, make a new one, and check the disk of the node that made it.",
  ),
  "backup-busy": entry("backoff", "A backup of this node is being made already.", "Wait until it is done."),
  "directory-used": entry(
    "never",
    "The data directory is not empty.",
    "Name an empty one, or one that does not exist; nothing was changed.",
  ),
  "restore-unfinished": entry(
    "never",
    "A restore into this data directory was cut off.",
    "Run the restore again; it begins anew by itself.",
  ),

  // Enrolment and configuration
  "token-invalid": entry("never", "The enrolment token is unknown, used or expired.", "Make a new token at the hub."),
  "tenant-suspended": entry(
    "backoff",
    "The tenant is suspended at the hub.",
    "Activate the tenant; what was written waits and is not lost.",
  ),
  "request-invalid": entry("never", "The request is not valid.", "Correct the part named in the details."),
  "report-unproven": entry(
    "never",
    "The report is not what its node signed, or another node signed it.",
    "Take nothing from it; let the node compare again and write a new one.",
  ),
  unauthorized: entry("never", "The request does not carry the admin token.", "Send it as a bearer token."),
  "not-found": entry("never", "What was asked for does not exist.", "Check the name or id in the details."),
  "name-taken": entry(
    "never",
    "Something of that kind has this name or id already.",
    "Choose another one, or use the existing one.",
  ),
  "internal-error": entry("backoff", "The program made a mistake.", "Look up the trace id in its log and report it."),
  "config-invalid": entry("never", "The configuration is not valid.", "Correct the setting named in the details."),
  "identity-invalid": entry("never", "The stored identity cannot be read.", "Restore the file, or enrol the node again."),
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof errorCodes;
