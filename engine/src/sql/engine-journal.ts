/** The loss journal, and the steps by which receipts know their times. */
export const engineJournal = `
CREATE TABLE hayloft.loss (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  column_name text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
  lost text COLLATE "C" NOT NULL,
  loser_value text COLLATE "C",
  loser_stamp bigint,
  loser_node uuid,
  loser_tier text COLLATE "C",
  loser_author text COLLATE "C",
  loser_origin uuid,
  loser_seq bigint,
  winner_value text COLLATE "C",
  winner_stamp bigint,
  winner_node uuid,
  winner_tier text COLLATE "C",
  winner_author text COLLATE "C",
  winner_origin uuid,
  winner_seq bigint,
  row_count bigint,
  noticed_at timestamptz NOT NULL DEFAULT now(),
  superseded boolean NOT NULL DEFAULT false,
  undone_at timestamptz,
  undone_origin uuid,
  undone_seq bigint,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX loss_row_idx ON hayloft.loss (tenant_id, table_name, row_key);
CREATE INDEX loss_noticed_idx ON hayloft.loss (tenant_id, noticed_at, id);

-- Who wrote the value with a stamp.
CREATE INDEX commit_stamp_idx ON hayloft.commit (tenant_id, stamp);

-- The part of a stamps document that says when some columns were written.
CREATE FUNCTION hayloft.stamps_of(_stamps jsonb, _columns text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog AS $function$
  SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(_stamps) AS e
    WHERE e.key = ANY (_columns) OR (e.key = '$row' AND NOT _stamps ?& _columns)
$function$;

-- All of it: without tombstones, kept values and memories.
CREATE FUNCTION hayloft.column_stamps(_stamps jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $function$
  SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(_stamps) AS e WHERE left(e.key, 1) <> '$' OR e.key = '$row'
$function$;

CREATE FUNCTION hayloft.stamp_time(_stamp bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $function$
  SELECT CASE WHEN _stamp > 0 THEN timestamptz 'epoch' + (_stamp >> 16) * interval '1 millisecond' END
$function$;

CREATE VIEW hayloft.journal AS
  SELECT l.tenant_id, l.id, l.table_name, replace(l.row_key, E'\\x1f', ', ') AS row_key, l.column_name, l.rule, l.lost,
    l.loser_value, hayloft.stamp_time(l.loser_stamp) AS loser_written_at, l.loser_author, l.loser_tier, l.loser_node,
    l.loser_origin, l.loser_seq,
    l.winner_value, hayloft.stamp_time(l.winner_stamp) AS winner_written_at, l.winner_author, l.winner_tier, l.winner_node,
    l.winner_origin, l.winner_seq,
    l.row_count, l.noticed_at, r.node_id AS noticed_by, r.tier AS noticed_tier, l.undone_at, l.undone_origin, l.undone_seq
  FROM hayloft.loss l CROSS JOIN hayloft.replica r WHERE NOT l.superseded;

-- Steps in which commits came further, by the clock of this replica. parent: own log positions that the parent acknowledged. top: seqs
-- of an origin that are at the top. A commit's time is that of the first step at or behind it.
CREATE TABLE hayloft.progress (
  tenant_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('parent', 'top')),
  origin uuid NOT NULL,
  up_to bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  level text COLLATE "C",
  PRIMARY KEY (tenant_id, kind, origin, up_to)
);

ALTER TABLE hayloft.replica ADD COLUMN durability text COLLATE "C";

CREATE VIEW hayloft.receipt AS
  SELECT c.tenant_id, c.origin, c.seq, c.author, c.tier, c.node_id, c.via,
    c.sealed_at AS device_at, r.durability AS device_level,
    coalesce(k.acked_position >= c.position, false) AS at_parent, p.at AS parent_at, p.level AS parent_level,
    coalesce(o.top_seq >= c.seq, false) AS at_top, t.at AS top_at,
    coalesce(s.outcome, 'applied') AS outcome, s.code, s.at AS outcome_at
  FROM hayloft.commit c
  CROSS JOIN hayloft.replica r
  JOIN hayloft.head h ON h.tenant_id = c.tenant_id
  LEFT JOIN LATERAL (SELECT max(acked_position) AS acked_position FROM hayloft.peer
    WHERE tenant_id = c.tenant_id AND relation = 'parent' AND acked_incarnation = h.incarnation) k ON true
  LEFT JOIN hayloft.origin o ON o.tenant_id = c.tenant_id AND o.incarnation = c.origin
  LEFT JOIN hayloft.outcome s ON s.tenant_id = c.tenant_id AND s.origin = c.origin AND s.seq = c.seq
  LEFT JOIN LATERAL (SELECT at, level FROM hayloft.progress WHERE tenant_id = c.tenant_id AND kind = 'parent' AND origin = h.incarnation
    AND up_to >= c.position ORDER BY up_to LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT at FROM hayloft.progress WHERE tenant_id = c.tenant_id AND kind = 'top' AND origin = c.origin
    AND up_to >= c.seq ORDER BY up_to LIMIT 1) t ON true
  WHERE c.row_count > 0;
`;
