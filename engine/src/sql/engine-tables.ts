/**
 * The tables of schema `hayloft`; `docs/architecture.md` describes them. An applied migration never changes: later versions
 * add another one beside it.
 */
export const engineTables = `
CREATE SEQUENCE hayloft.txn;

CREATE FUNCTION hayloft.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $function$
  -- A random uuid v4 with its first 48 bits replaced by the time, and its version turned from 4 to 7.
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid
$function$;

CREATE TABLE hayloft.replica (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  node_id uuid NOT NULL,
  tier text COLLATE "C" NOT NULL,
  catalog_name text COLLATE "C" NOT NULL,
  catalog_version integer NOT NULL,
  catalog_hash bytea NOT NULL,
  capture_hash bytea,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE hayloft.head (
  tenant_id text COLLATE "C" PRIMARY KEY,
  incarnation uuid NOT NULL DEFAULT hayloft.uuid_v7(),
  position bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0,
  stamp bigint NOT NULL DEFAULT 0,
  hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  sealed_txn bigint NOT NULL DEFAULT 0,
  pruned_position bigint NOT NULL DEFAULT 0,
  filled_position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE hayloft.commit (
  tenant_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  txn bigint NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  stamp bigint NOT NULL,
  node_id uuid NOT NULL,
  tier text COLLATE "C" NOT NULL,
  author text COLLATE "C",
  catalog_version integer NOT NULL,
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,
  via uuid,
  row_count integer NOT NULL,
  byte_count bigint NOT NULL,
  lane smallint NOT NULL DEFAULT 1,
  sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, position),
  UNIQUE (tenant_id, origin, seq)
);

CREATE TABLE hayloft.change (
  tenant_id text COLLATE "C" NOT NULL,
  txn bigint NOT NULL,
  ordinal integer NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  op text COLLATE "C" NOT NULL CHECK (op IN ('insert', 'update', 'delete', 'evict')),
  columns text COLLATE "C" NOT NULL,
  row_count integer NOT NULL,
  body text COLLATE "C" NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant_id, txn, ordinal)
);

CREATE TABLE hayloft.row_state (
  tenant_id text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  stamps jsonb NOT NULL,
  PRIMARY KEY (tenant_id, table_name, row_key)
);
CREATE INDEX row_state_deleted_idx ON hayloft.row_state (tenant_id, table_name, row_key) WHERE stamps ? '$deleted';

CREATE TABLE hayloft.origin (
  tenant_id text COLLATE "C" NOT NULL,
  incarnation uuid NOT NULL,
  node_id uuid,
  seq bigint NOT NULL DEFAULT 0,
  hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  top_seq bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, incarnation)
);

CREATE TABLE hayloft.peer (
  node_id uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  relation text COLLATE "C" NOT NULL CHECK (relation IN ('parent', 'child')),
  received_incarnation uuid,
  received_position bigint,
  acked_incarnation uuid,
  acked_position bigint,
  acked_at timestamptz,
  last_contact_at timestamptz,
  last_error_code text COLLATE "C",
  last_error_at timestamptz,
  skew_ms bigint,
  snapshot_cursor jsonb,
  PRIMARY KEY (node_id, tenant_id)
);

CREATE TABLE hayloft.outcome (
  tenant_id text COLLATE "C" NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('applied', 'merged', 'refused')),
  code text COLLATE "C",
  at timestamptz NOT NULL DEFAULT now(),
  peer uuid,
  told_position bigint,
  PRIMARY KEY (tenant_id, origin, seq)
);
CREATE INDEX outcome_peer_idx ON hayloft.outcome (tenant_id, peer, told_position) WHERE peer IS NOT NULL;

CREATE TABLE hayloft.quarantine (
  tenant_id text COLLATE "C" NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  retryable boolean NOT NULL DEFAULT false,
  changes jsonb NOT NULL,
  held_at timestamptz NOT NULL DEFAULT now(),
  peer uuid,
  PRIMARY KEY (tenant_id, origin, seq)
);

CREATE TABLE hayloft.staged (
  peer uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  index integer NOT NULL,
  incarnation uuid NOT NULL,
  bytes bytea NOT NULL,
  last boolean NOT NULL DEFAULT false,
  staged_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (peer, tenant_id, position, index)
);

CREATE TABLE hayloft.stamped_table (
  table_name text COLLATE "C" PRIMARY KEY,
  key_columns text[] NOT NULL
);

CREATE FUNCTION hayloft.derived_id(table_name text, key_values text[]) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog AS $function$
  SELECT encode(set_byte(set_byte(substring(hash FROM 1 FOR 16),
    6, (get_byte(hash, 6) & 15) | 128), 8, (get_byte(hash, 8) & 63) | 128), 'hex')::uuid
  FROM sha256(convert_to(array_to_json(array_prepend(table_name, key_values))::text, 'UTF8')) AS hash
$function$;
`;
