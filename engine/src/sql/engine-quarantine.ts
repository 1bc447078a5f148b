import type { Catalog } from "../catalog/catalog.ts";
import { REPORT_TABLE } from "../quarantine/quarantine-tables.ts";

/**
 * What a held commit needs beside its changes: its state and cause, and the places that it touches, so that later commits can be
 * asked whether they build on it. `own` rows are the author's copy of what its parent refused.
 */
export const engineQuarantine = `
ALTER TABLE hayloft.quarantine
  ADD COLUMN state text COLLATE "C" NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'applied', 'merged', 'resent', 'discarded')),
  ADD COLUMN node_id uuid,
  ADD COLUMN cause_origin uuid,
  ADD COLUMN cause_seq bigint,
  ADD COLUMN tables text[] NOT NULL DEFAULT '{}',
  ADD COLUMN row_count bigint NOT NULL DEFAULT 0,
  ADD COLUMN byte_count bigint NOT NULL DEFAULT 0,
  ADD COLUMN judged_by text COLLATE "C",
  ADD COLUMN restamp boolean NOT NULL DEFAULT false,
  ADD COLUMN held_order bigint GENERATED ALWAYS AS IDENTITY,
  ADD COLUMN closed_at timestamptz,
  ADD COLUMN reported text COLLATE "C";
CREATE INDEX quarantine_state_idx ON hayloft.quarantine (tenant_id, state, held_at);
CREATE INDEX quarantine_cause_idx ON hayloft.quarantine (tenant_id, cause_origin, cause_seq) WHERE cause_origin IS NOT NULL;

CREATE TABLE hayloft.quarantine_place (
  tenant_id text COLLATE "C" NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  use text COLLATE "C" NOT NULL CHECK (use IN ('makes', 'changes', 'needs', 'joins')),
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  own boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant_id, origin, seq, use, table_name, row_key)
);
CREATE INDEX quarantine_place_idx ON hayloft.quarantine_place (tenant_id, own, table_name, row_key);
`;

const localView = `SELECT q.tenant_id, r.node_id AS held_at_node, q.origin, q.seq, q.state, q.code, q.retryable, q.held_at AS held_since,
    q.node_id AS author_node, q.changes ->> 'tier' AS author_tier, q.changes ->> 'author' AS author, q.peer AS came_through,
    q.cause_origin, q.cause_seq, array_to_string(q.tables, ',') AS tables,
    (SELECT coalesce(jsonb_agg(p.name), '[]'::jsonb) FROM (
      SELECT s.table_name || ' ' || replace(s.row_key, E'\\x1f', ',') AS name FROM hayloft.quarantine_place s
      WHERE s.tenant_id = q.tenant_id AND s.origin = q.origin AND s.seq = q.seq AND s.use IN ('makes', 'changes')
      ORDER BY 1 LIMIT 100) p) AS row_keys,
    q.row_count, q.byte_count, q.changes -> 'changes' AS changes
  FROM hayloft.quarantine q, hayloft.replica r`;

const reportedView = `SELECT b.tenant_id, b.node_id, b.origin, b.seq, b.state, b.code, b.retryable, b.held_at, b.author_node, b.author_tier, b.author,
    NULL::uuid, b.cause_origin, b.cause_seq, b.tables, b.row_keys, b.row_count, b.byte_count, b.changes
  FROM ${REPORT_TABLE} b, hayloft.replica r WHERE b.node_id <> r.node_id`;

/**
 * The view of everything that is held, here and, as far as it was reported, below. `row_keys` names up to 100 rows while the
 * commit is held; `changes` is null for reports of large commits.
 */
export const quarantinedView = (catalog: Catalog): string =>
  `CREATE OR REPLACE VIEW hayloft.quarantined AS ${
    catalog.byName.has(REPORT_TABLE)
      ? `${localView}
  UNION ALL ${reportedView}`
      : localView
  };`;
