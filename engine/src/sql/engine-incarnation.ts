/** The lives of a log: what ended each, and where its unsent commits are now. */
export const engineIncarnation = `
-- A life of a log that has ended. position: the log's end then; new commits went on behind it. seq and hash: the last of its own
-- commits that kept their names; what came after was given new ones, because another copy may have used the same.
CREATE TABLE hayloft.incarnation (
  tenant_id text COLLATE "C" NOT NULL,
  incarnation uuid NOT NULL,
  position bigint NOT NULL,
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  cause text COLLATE "C" NOT NULL,
  reissued bigint NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, incarnation)
);

CREATE TABLE hayloft.reissued (
  tenant_id text COLLATE "C" NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  new_origin uuid NOT NULL,
  new_seq bigint NOT NULL,
  PRIMARY KEY (tenant_id, origin, seq)
);

-- What children proved that this database had lost, and what they offered. position: how far the child had our log. our_position: how far
-- it went here when the child came. rows_offered: of these, rows_restored were not here, or older here.
CREATE TABLE hayloft.recovery (
  tenant_id text COLLATE "C" NOT NULL,
  peer uuid NOT NULL,
  incarnation uuid NOT NULL,
  position bigint NOT NULL,
  our_position bigint NOT NULL,
  noticed_at timestamptz NOT NULL DEFAULT now(),
  offers integer NOT NULL DEFAULT 0,
  rows_offered bigint NOT NULL DEFAULT 0,
  rows_restored bigint NOT NULL DEFAULT 0,
  finished_at timestamptz,
  PRIMARY KEY (tenant_id, peer, incarnation)
);

-- How far each origin was known when a log began anew because this database was restored: what came since was sent again, or is new.
CREATE TABLE hayloft.restored_origin (
  tenant_id text COLLATE "C" NOT NULL,
  incarnation uuid NOT NULL,
  origin uuid NOT NULL,
  node_id uuid,
  seq bigint NOT NULL,
  PRIMARY KEY (tenant_id, incarnation, origin)
);

-- Commits that nobody can send any more: their author had pruned them when a parent turned out not to have them.
CREATE TABLE hayloft.gap (
  tenant_id text COLLATE "C" NOT NULL,
  origin uuid NOT NULL,
  from_seq bigint NOT NULL,
  to_seq bigint NOT NULL,
  node_id uuid NOT NULL,
  noticed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, origin, from_seq)
);

-- copy_id: what tells this database from the others that were copied from the same one; null until it was found to be one of several.
-- stamp_salt: added to the stamps of such a copy, so that two copies of one node never give the same.
-- store_id: which server, and which of its timelines, the database was on when it was opened last.
ALTER TABLE hayloft.replica ADD COLUMN store_id text COLLATE "C", ADD COLUMN copy_id uuid, ADD COLUMN stamp_salt integer NOT NULL DEFAULT 0;

-- of_node: the node of a child that is known under a name of its own because it is a copy.
-- received_mark: what the parent said of the position received last, to be shown to it again.
ALTER TABLE hayloft.peer ADD COLUMN of_node uuid, ADD COLUMN received_mark bytea;
CREATE INDEX peer_of_node_idx ON hayloft.peer (of_node) WHERE of_node IS NOT NULL;

CREATE OR REPLACE FUNCTION hayloft.next_stamp(_after bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $function$
  SELECT greatest(_after + 1, (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16) + coalesce((SELECT stamp_salt FROM hayloft.replica), 0))
$function$;

-- Ends the present life of a log. Own commits with a seq above _after get new names, in order, under the new incarnation; their
-- stamps stay, because they name the operations that the commits brought. Returns how many these are.
CREATE FUNCTION hayloft.begin_incarnation(_tenant text, _after bigint, _cause text) RETURNS bigint LANGUAGE plpgsql
  SET search_path = pg_catalog AS $function$
DECLARE
  _head hayloft.head := hayloft.lock_head(_tenant);
  _node uuid;
  _new uuid := hayloft.uuid_v7();
  _kept bytea;
  _hash bytea := decode(repeat('00', 32), 'hex');
  _before bytea;
  _seq bigint := 0;
  _commit record;
BEGIN
  SELECT node_id INTO STRICT _node FROM hayloft.replica;
  _kept := coalesce(hayloft.own_hash(_tenant, _head.incarnation, _after), _head.hash);
  FOR _commit IN
    SELECT c.position, c.txn, c.seq, c.stamp, c.node_id, c.author, c.catalog_version FROM hayloft.commit c
    WHERE c.tenant_id = _tenant AND c.origin = _head.incarnation AND c.seq > _after ORDER BY c.seq FOR UPDATE
  LOOP
    _seq := _seq + 1;
    _before := _hash;
    _hash := sha256(_before || convert_to(concat(_new, E'\\n', _seq, E'\\n', _commit.stamp, E'\\n', _tenant, E'\\n',
      _commit.node_id, E'\\n', _commit.author, E'\\n', _commit.catalog_version, E'\\n'), 'UTF8')
      || coalesce((SELECT string_agg(ch.digest, ''::bytea ORDER BY ch.ordinal) FROM hayloft.change ch
        WHERE ch.tenant_id = _tenant AND ch.txn = _commit.txn), ''::bytea));
    UPDATE hayloft.commit SET origin = _new, seq = _seq, previous_hash = _before, hash = _hash
      WHERE tenant_id = _tenant AND position = _commit.position;
    INSERT INTO hayloft.reissued VALUES (_tenant, _head.incarnation, _commit.seq, _new, _seq);
  END LOOP;
  INSERT INTO hayloft.incarnation (tenant_id, incarnation, position, seq, hash, cause, reissued)
    VALUES (_tenant, _head.incarnation, _head.position, _after, _kept, _cause, _seq);
  INSERT INTO hayloft.origin AS o (tenant_id, incarnation, node_id, seq, hash) VALUES (_tenant, _head.incarnation, _node, _after, _kept)
    ON CONFLICT (tenant_id, incarnation) DO UPDATE SET node_id = excluded.node_id, seq = excluded.seq, hash = excluded.hash;
  UPDATE hayloft.head SET incarnation = _new, seq = _seq, hash = _hash WHERE tenant_id = _tenant;
  PERFORM hayloft.rename_reissued(_tenant, _head.incarnation, _new);
  RETURN _seq;
END
$function$;

-- The hash of a log's own commit: its own, or what the next one says of it. Null when it was pruned.
CREATE FUNCTION hayloft.own_hash(_tenant text, _incarnation uuid, _seq bigint) RETURNS bytea LANGUAGE sql STABLE
  SET search_path = pg_catalog AS $function$
  SELECT coalesce(
    (SELECT hash FROM hayloft.commit WHERE tenant_id = _tenant AND origin = _incarnation AND seq = _seq),
    (SELECT previous_hash FROM hayloft.commit WHERE tenant_id = _tenant AND origin = _incarnation AND seq = _seq + 1),
    (SELECT hash FROM hayloft.head WHERE tenant_id = _tenant AND incarnation = _incarnation AND seq = _seq),
    CASE WHEN _seq = 0 THEN decode(repeat('00', 32), 'hex') END)
$function$;

-- What is known of the commits that have new names follows them.
CREATE FUNCTION hayloft.rename_reissued(_tenant text, _old uuid, _new uuid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
DECLARE
  _table text;
BEGIN
  FOREACH _table IN ARRAY ARRAY['outcome', 'quarantine', 'quarantine_place'] LOOP
    EXECUTE format('UPDATE hayloft.%I t SET origin = n.new_origin, seq = n.new_seq FROM hayloft.reissued n
      WHERE n.tenant_id = $1 AND n.origin = $2 AND n.new_origin = $3 AND t.tenant_id = $1 AND t.origin = n.origin AND t.seq = n.seq', _table)
      USING _tenant, _old, _new;
  END LOOP;
  UPDATE hayloft.quarantine t SET cause_origin = n.new_origin, cause_seq = n.new_seq FROM hayloft.reissued n
    WHERE n.tenant_id = _tenant AND n.origin = _old AND n.new_origin = _new AND t.tenant_id = _tenant
      AND t.cause_origin = n.origin AND t.cause_seq = n.seq;
  UPDATE hayloft.loss t SET loser_origin = n.new_origin, loser_seq = n.new_seq FROM hayloft.reissued n
    WHERE n.tenant_id = _tenant AND n.origin = _old AND n.new_origin = _new AND t.tenant_id = _tenant
      AND t.loser_origin = n.origin AND t.loser_seq = n.seq;
  UPDATE hayloft.loss t SET winner_origin = n.new_origin, winner_seq = n.new_seq FROM hayloft.reissued n
    WHERE n.tenant_id = _tenant AND n.origin = _old AND n.new_origin = _new AND t.tenant_id = _tenant
      AND t.winner_origin = n.origin AND t.winner_seq = n.seq;
  UPDATE hayloft.loss t SET undone_origin = n.new_origin, undone_seq = n.new_seq FROM hayloft.reissued n
    WHERE n.tenant_id = _tenant AND n.origin = _old AND n.new_origin = _new AND t.tenant_id = _tenant
      AND t.undone_origin = n.origin AND t.undone_seq = n.seq;
  UPDATE hayloft.reissued t SET new_origin = n.new_origin, new_seq = n.new_seq FROM hayloft.reissued n
    WHERE n.tenant_id = _tenant AND n.origin = _old AND n.new_origin = _new AND t.tenant_id = _tenant AND t.new_origin = _old AND t.new_seq = n.seq;
  UPDATE hayloft.progress SET origin = _new WHERE tenant_id = _tenant AND kind = 'parent' AND origin = _old;
END
$function$;
`;
