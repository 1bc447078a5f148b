import { copiesApartDdl } from "./copies-apart-ddl.ts";
import { engineClock } from "./engine-clock.ts";
import { engineDocument } from "./engine-document.ts";
import { engineIncarnation } from "./engine-incarnation.ts";
import { engineJournal } from "./engine-journal.ts";
import { engineQuarantine } from "./engine-quarantine.ts";
import { engineMemory } from "./engine-memory.ts";
import { engineSeal } from "./engine-seal.ts";
import { engineTables } from "./engine-tables.ts";
import { deadRowsApartDdl, rowStateDdl } from "./row-state-ddl.ts";
import { relayedSafeDdl } from "./relayed-safe-ddl.ts";
import { safePositionDdl } from "./safe-position-ddl.ts";
import { seenOperationsDdl } from "./seen-operations-ddl.ts";
import { scopeTables } from "./scope-tables.ts";
import { stagedPartsDdl } from "./staged-parts-ddl.ts";
import type { Migration } from "../migrate/migration.ts";

/** Rows that are deleted and keep the values that they had: looked for by inserts, and read in order by snapshots. */
const deadRowsDdl = `CREATE INDEX row_state_dead_idx ON hayloft.row_state (tenant_id, table_name, row_key) WHERE stamps ? '$cells';`;

/** The engine's own migrations, applied before the application's. */
export const engineMigrations: readonly Migration[] = [
  { name: "hayloft_0001_initial", sql: engineTables + engineSeal },
  { name: "hayloft_0002_scope", sql: scopeTables },
  { name: "hayloft_0003_quarantine", sql: engineQuarantine },
  { name: "hayloft_0004_memory", sql: engineMemory },
  { name: "hayloft_0005_document", sql: engineDocument },
  { name: "hayloft_0006_staged_parts", sql: stagedPartsDdl },
  { name: "hayloft_0007_journal", sql: engineJournal },
  { name: "hayloft_0008_incarnation", sql: engineIncarnation },
  { name: "hayloft_0009_clock", sql: engineClock },
  { name: "hayloft_0010_row_state", sql: rowStateDdl },
  { name: "hayloft_0011_dead_rows", sql: deadRowsDdl },
  { name: "hayloft_0012_dead_rows_apart", sql: deadRowsApartDdl },
  { name: "hayloft_0013_safe_position", sql: safePositionDdl },
  { name: "hayloft_0014_seen_operations", sql: seenOperationsDdl },
  { name: "hayloft_0015_copies_apart", sql: copiesApartDdl },
  { name: "hayloft_0016_relayed_safe", sql: relayedSafeDdl },
];
