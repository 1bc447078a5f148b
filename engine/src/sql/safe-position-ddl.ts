/**
 * How far a log survives the loss of the parent's site (D4): at a child its own log, as its parent tells, and at a parent the child's. A parent
 * marks what it has of the child, and where its own write-ahead log ended then; when that is stored at another site, the mark is safe.
 */
export const safePositionDdl = `
ALTER TABLE hayloft.peer
  ADD COLUMN safe_incarnation uuid, ADD COLUMN safe_position bigint,
  ADD COLUMN marked_incarnation uuid, ADD COLUMN marked_position bigint, ADD COLUMN marked_wal pg_lsn;

ALTER TABLE hayloft.progress DROP CONSTRAINT progress_kind_check,
  ADD CONSTRAINT progress_kind_check CHECK (kind IN ('parent', 'top', 'safe'));

CREATE OR REPLACE VIEW hayloft.receipt AS
  SELECT c.tenant_id, c.origin, c.seq, c.author, c.tier, c.node_id, c.via,
    c.sealed_at AS device_at, r.durability AS device_level,
    coalesce(k.acked_position >= c.position, false) AS at_parent, p.at AS parent_at, p.level AS parent_level,
    coalesce(o.top_seq >= c.seq, false) AS at_top, t.at AS top_at,
    coalesce(s.outcome, 'applied') AS outcome, s.code, s.at AS outcome_at,
    coalesce(w.safe_position >= c.position, false) AS is_safe, f.at AS safe_at
  FROM hayloft.commit c
  CROSS JOIN hayloft.replica r
  JOIN hayloft.head h ON h.tenant_id = c.tenant_id
  LEFT JOIN LATERAL (SELECT max(acked_position) AS acked_position FROM hayloft.peer
    WHERE tenant_id = c.tenant_id AND relation = 'parent' AND acked_incarnation = h.incarnation) k ON true
  LEFT JOIN LATERAL (SELECT max(safe_position) AS safe_position FROM hayloft.peer
    WHERE tenant_id = c.tenant_id AND relation = 'parent' AND safe_incarnation = h.incarnation) w ON true
  LEFT JOIN hayloft.origin o ON o.tenant_id = c.tenant_id AND o.incarnation = c.origin
  LEFT JOIN hayloft.outcome s ON s.tenant_id = c.tenant_id AND s.origin = c.origin AND s.seq = c.seq
  LEFT JOIN LATERAL (SELECT at, level FROM hayloft.progress WHERE tenant_id = c.tenant_id AND kind = 'parent' AND origin = h.incarnation
    AND up_to >= c.position ORDER BY up_to LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT at FROM hayloft.progress WHERE tenant_id = c.tenant_id AND kind = 'top' AND origin = c.origin
    AND up_to >= c.seq ORDER BY up_to LIMIT 1) t ON true
  LEFT JOIN LATERAL (SELECT at FROM hayloft.progress WHERE tenant_id = c.tenant_id AND kind = 'safe' AND origin = h.incarnation
    AND up_to >= c.position ORDER BY up_to LIMIT 1) f ON true
  WHERE c.row_count > 0;
`;
