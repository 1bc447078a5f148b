import type { Migration } from "@hayloft/engine";

// Generated from the catalog by `npm run generate:migration -w schema`. Never changed after a release.
export const initial: Migration = {
  name: "0001_initial",
  sql: `
CREATE TABLE replica_node (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  tier text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  public_key text COLLATE "C" NOT NULL,
  scopes jsonb NOT NULL DEFAULT '{}'::jsonb,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  enrolled_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT replica_node_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT replica_node_tier_allowed_check CHECK (tier IN ('cloud', 'edge', 'tablet')),
  CONSTRAINT replica_node_status_allowed_check CHECK (status IN ('active', 'revoked'))
);
CREATE INDEX replica_node_tenant_id_status_idx ON replica_node (tenant_id, status);

CREATE TABLE replica_quarantine (
  tenant_id text COLLATE "C" NOT NULL,
  node_id uuid NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  state text COLLATE "C" NOT NULL,
  code text COLLATE "C" NOT NULL,
  retryable boolean NOT NULL,
  cause_origin uuid,
  cause_seq bigint,
  author_node uuid,
  author_tier text COLLATE "C",
  author text COLLATE "C",
  tables text COLLATE "C" NOT NULL,
  row_keys jsonb NOT NULL,
  row_count bigint NOT NULL,
  byte_count bigint NOT NULL,
  changes jsonb,
  held_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  CONSTRAINT replica_quarantine_pkey PRIMARY KEY (tenant_id, node_id, origin, seq),
  CONSTRAINT replica_quarantine_state_allowed_check CHECK (state IN ('held', 'applied', 'merged', 'resent', 'discarded'))
);
CREATE INDEX replica_quarantine_tenant_id_origin_seq_idx ON replica_quarantine (tenant_id, origin, seq);
CREATE INDEX replica_quarantine_tenant_id_state_held_at_idx ON replica_quarantine (tenant_id, state, held_at);

CREATE TABLE replica_quarantine_action (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  origin uuid NOT NULL,
  seq bigint NOT NULL,
  action text COLLATE "C" NOT NULL,
  node_id uuid NOT NULL,
  new_origin uuid,
  new_seq bigint,
  person text COLLATE "C",
  reason text COLLATE "C",
  acted_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT replica_quarantine_action_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT replica_quarantine_action_action_allowed_check CHECK (action IN ('resent', 'discarded', 'release'))
);
CREATE INDEX replica_quarantine_action_tenant_id_origin_seq_idx ON replica_quarantine_action (tenant_id, origin, seq);

CREATE TABLE enrolment_tokens (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  token_hash text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  tier text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  scopes jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_by text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by_node text COLLATE "C",
  replaces_node text COLLATE "C",
  is_revoked boolean NOT NULL DEFAULT false,
  CONSTRAINT enrolment_tokens_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT enrolment_tokens_tenant_id_token_hash_key UNIQUE (tenant_id, token_hash),
  CONSTRAINT enrolment_tokens_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT enrolment_tokens_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT enrolment_tokens_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT enrolment_tokens_tier_allowed_check CHECK (tier IN ('edge', 'tablet')),
  CONSTRAINT enrolment_tokens_used_by_node_check CHECK (char_length(used_by_node) between 1 and 128),
  CONSTRAINT enrolment_tokens_replaces_node_check CHECK (char_length(replaces_node) between 1 and 128)
);
CREATE INDEX enrolment_tokens_tenant_id_expires_at_idx ON enrolment_tokens (tenant_id, expires_at);

CREATE TABLE tenants (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  type text COLLATE "C" NOT NULL DEFAULT 'standard',
  region text COLLATE "C" NOT NULL DEFAULT 'TH',
  cloud_media text COLLATE "C" NOT NULL DEFAULT 'none',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id),
  CONSTRAINT tenants_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT tenants_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT tenants_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT tenants_status_allowed_check CHECK (status IN ('active', 'inactive', 'suspended')),
  CONSTRAINT tenants_type_allowed_check CHECK (type IN ('standard', 'enterprise', 'trial')),
  CONSTRAINT tenants_cloud_media_allowed_check CHECK (cloud_media IN ('none', 'variants', 'all')),
  CONSTRAINT tenants_id_is_tenant_check CHECK (id = tenant_id)
);
CREATE INDEX tenants_tenant_id_status_idx ON tenants (tenant_id, status);

CREATE TABLE farms (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  location text COLLATE "C",
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT farms_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT farms_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT farms_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT farms_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT farms_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT farms_status_allowed_check CHECK (status IN ('active', 'inactive'))
);
CREATE INDEX farms_tenant_id_status_idx ON farms (tenant_id, status);

CREATE TABLE barns (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  animal_type text COLLATE "C",
  capacity integer,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT barns_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barns_tenant_id_farm_id_name_key UNIQUE (tenant_id, farm_id, name),
  CONSTRAINT barns_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barns_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT barns_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barns_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT barns_animal_type_allowed_check CHECK (animal_type IN ('broiler', 'layer', 'breeder')),
  CONSTRAINT barns_capacity_check CHECK (capacity >= 0),
  CONSTRAINT barns_status_allowed_check CHECK (status IN ('active', 'inactive'))
);
CREATE INDEX barns_tenant_id_farm_id_status_idx ON barns (tenant_id, farm_id, status);

CREATE TABLE batches (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  species text COLLATE "C" NOT NULL,
  start_date date NOT NULL,
  end_date date,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT batches_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT batches_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT batches_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT batches_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT batches_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT batches_status_allowed_check CHECK (status IN ('active', 'completed', 'cancelled')),
  CONSTRAINT batches_ends_after_start_check CHECK (end_date is null or end_date >= start_date)
);
CREATE INDEX batches_tenant_id_farm_id_barn_id_idx ON batches (tenant_id, farm_id, barn_id);
CREATE INDEX batches_tenant_id_barn_id_start_date_idx ON batches (tenant_id, barn_id, start_date);
CREATE INDEX batches_tenant_id_status_idx ON batches (tenant_id, status);

CREATE TABLE devices (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  batch_id text COLLATE "C",
  device_type text COLLATE "C" NOT NULL,
  serial_no text COLLATE "C",
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  lifecycle_state text COLLATE "C" NOT NULL DEFAULT 'PROVISIONED',
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT devices_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT devices_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT devices_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT devices_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT devices_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT devices_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT devices_status_allowed_check CHECK (status IN ('active', 'inactive', 'maintenance')),
  CONSTRAINT devices_lifecycle_state_allowed_check CHECK (lifecycle_state IN ('PROVISIONED', 'ACTIVE', 'MAINTENANCE', 'DECOMMISSIONED'))
);
CREATE UNIQUE INDEX devices_tenant_id_serial_no_partial_key ON devices (tenant_id, serial_no) WHERE serial_no is not null;
CREATE INDEX devices_tenant_id_farm_id_idx ON devices (tenant_id, farm_id);
CREATE INDEX devices_tenant_id_barn_id_idx ON devices (tenant_id, barn_id);
CREATE INDEX devices_tenant_id_batch_id_idx ON devices (tenant_id, batch_id);
CREATE INDEX devices_tenant_id_device_type_idx ON devices (tenant_id, device_type);
CREATE INDEX devices_tenant_id_status_idx ON devices (tenant_id, status);

CREATE TABLE stations (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  station_type text COLLATE "C",
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT stations_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT stations_tenant_id_farm_id_barn_id_name_key UNIQUE (tenant_id, farm_id, barn_id, name),
  CONSTRAINT stations_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT stations_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT stations_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT stations_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT stations_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT stations_station_type_allowed_check CHECK (station_type IN ('weighing', 'feeding')),
  CONSTRAINT stations_status_allowed_check CHECK (status IN ('active', 'inactive'))
);
CREATE INDEX stations_tenant_id_barn_id_idx ON stations (tenant_id, barn_id);
CREATE INDEX stations_tenant_id_status_idx ON stations (tenant_id, status);

CREATE TABLE device_allowlist (
  tenant_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  enabled boolean NOT NULL DEFAULT true,
  notes text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT device_allowlist_pkey PRIMARY KEY (tenant_id, device_id),
  CONSTRAINT device_allowlist_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT device_allowlist_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT device_allowlist_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT device_allowlist_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT device_allowlist_notes_check CHECK (char_length(notes) <= 10000)
);
CREATE INDEX device_allowlist_tenant_id_farm_id_barn_id_idx ON device_allowlist (tenant_id, farm_id, barn_id);

CREATE TABLE station_allowlist (
  tenant_id text COLLATE "C" NOT NULL,
  station_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  enabled boolean NOT NULL DEFAULT true,
  notes text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT station_allowlist_pkey PRIMARY KEY (tenant_id, station_id),
  CONSTRAINT station_allowlist_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT station_allowlist_station_id_check CHECK (char_length(station_id) between 1 and 128),
  CONSTRAINT station_allowlist_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT station_allowlist_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT station_allowlist_notes_check CHECK (char_length(notes) <= 10000)
);
CREATE INDEX station_allowlist_tenant_id_farm_id_barn_id_idx ON station_allowlist (tenant_id, farm_id, barn_id);

CREATE TABLE sensors (
  tenant_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  sensor_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  type text COLLATE "C" NOT NULL,
  unit text COLLATE "C" NOT NULL,
  label text COLLATE "C",
  zone text COLLATE "C",
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sensors_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT sensors_tenant_id_sensor_id_key UNIQUE (tenant_id, sensor_id),
  CONSTRAINT sensors_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT sensors_id_check CHECK (char_length(id) between 1 and 128),
  CONSTRAINT sensors_sensor_id_check CHECK (char_length(sensor_id) between 1 and 128),
  CONSTRAINT sensors_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT sensors_barn_id_check CHECK (char_length(barn_id) between 1 and 128)
);
CREATE INDEX sensors_tenant_id_farm_id_idx ON sensors (tenant_id, farm_id);
CREATE INDEX sensors_tenant_id_barn_id_idx ON sensors (tenant_id, barn_id);
CREATE INDEX sensors_tenant_id_type_idx ON sensors (tenant_id, type);
CREATE INDEX sensors_tenant_id_enabled_idx ON sensors (tenant_id, enabled);

CREATE TABLE sensor_bindings (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  sensor_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  metric text COLLATE "C",
  protocol text COLLATE "C" NOT NULL,
  channel text COLLATE "C",
  sampling_rate_s integer,
  effective_from timestamptz NOT NULL,
  effective_to timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sensor_bindings_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT sensor_bindings_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT sensor_bindings_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT sensor_bindings_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT sensor_bindings_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT sensor_bindings_sensor_id_check CHECK (char_length(sensor_id) between 1 and 128),
  CONSTRAINT sensor_bindings_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT sensor_bindings_protocol_allowed_check CHECK (protocol IN ('mqtt', 'modbus', 'analog', 'serial', 'http', 'opcua')),
  CONSTRAINT sensor_bindings_sampling_rate_s_check CHECK (sampling_rate_s > 0),
  CONSTRAINT sensor_bindings_ends_after_start_check CHECK (effective_to is null or effective_to > effective_from)
);
CREATE UNIQUE INDEX sensor_bindings_tenant_id_sensor_id_partial_key ON sensor_bindings (tenant_id, sensor_id) WHERE effective_to is null;
CREATE INDEX sensor_bindings_tenant_id_farm_id_idx ON sensor_bindings (tenant_id, farm_id);
CREATE INDEX sensor_bindings_tenant_id_barn_id_idx ON sensor_bindings (tenant_id, barn_id);
CREATE INDEX sensor_bindings_tenant_id_device_id_idx ON sensor_bindings (tenant_id, device_id);
CREATE INDEX sensor_bindings_tenant_id_sensor_id_effective_from_idx ON sensor_bindings (tenant_id, sensor_id, effective_from);

CREATE TABLE sensor_calibrations (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  sensor_id text COLLATE "C" NOT NULL,
  "offset" numeric(12, 4) NOT NULL DEFAULT 0,
  gain numeric(12, 6) NOT NULL DEFAULT 1,
  method text COLLATE "C" NOT NULL,
  performed_at timestamptz NOT NULL,
  performed_by text COLLATE "C" NOT NULL,
  notes text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sensor_calibrations_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT sensor_calibrations_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT sensor_calibrations_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT sensor_calibrations_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT sensor_calibrations_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT sensor_calibrations_sensor_id_check CHECK (char_length(sensor_id) between 1 and 128),
  CONSTRAINT sensor_calibrations_offset_check CHECK ("offset" <> 'NaN'),
  CONSTRAINT sensor_calibrations_gain_check CHECK (gain > 0),
  CONSTRAINT sensor_calibrations_notes_check CHECK (char_length(notes) <= 10000)
);
CREATE INDEX sensor_calibrations_tenant_id_farm_id_idx ON sensor_calibrations (tenant_id, farm_id);
CREATE INDEX sensor_calibrations_tenant_id_barn_id_idx ON sensor_calibrations (tenant_id, barn_id);
CREATE INDEX sensor_calibrations_tenant_id_sensor_id_performed_at_idx ON sensor_calibrations (tenant_id, sensor_id, performed_at DESC);

CREATE TABLE tenant_quotas (
  tenant_id text COLLATE "C" NOT NULL,
  max_farms integer,
  max_barns integer,
  max_devices integer,
  max_users integer,
  max_storage_gb integer,
  max_api_calls_per_day integer,
  raw_telemetry_years integer NOT NULL DEFAULT 2,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tenant_quotas_pkey PRIMARY KEY (tenant_id),
  CONSTRAINT tenant_quotas_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT tenant_quotas_raw_telemetry_years_check CHECK (raw_telemetry_years between 2 and 7)
);

CREATE TABLE tenant_rate_limits (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  endpoint text COLLATE "C",
  calls_per_minute integer,
  calls_per_hour integer,
  calls_per_day integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tenant_rate_limits_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT tenant_rate_limits_tenant_id_endpoint_key UNIQUE NULLS NOT DISTINCT (tenant_id, endpoint),
  CONSTRAINT tenant_rate_limits_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT tenant_rate_limits_id_check CHECK (substr(id::text, 15, 1) in ('7', '8'))
);

CREATE TABLE config_threshold_rules (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  metric text COLLATE "C" NOT NULL,
  op text COLLATE "C" NOT NULL,
  value numeric(12, 4) NOT NULL,
  duration_s integer,
  severity text COLLATE "C" NOT NULL DEFAULT 'warning',
  enabled boolean NOT NULL DEFAULT true,
  updated_by text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT config_threshold_rules_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT config_threshold_rules_tenant_id_farm_id_barn_id_metric_op_key UNIQUE NULLS NOT DISTINCT (tenant_id, farm_id, barn_id, metric, op),
  CONSTRAINT config_threshold_rules_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT config_threshold_rules_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT config_threshold_rules_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT config_threshold_rules_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT config_threshold_rules_op_allowed_check CHECK (op IN ('gt', 'lt', 'gte', 'lte', 'eq')),
  CONSTRAINT config_threshold_rules_value_check CHECK (value <> 'NaN'),
  CONSTRAINT config_threshold_rules_duration_s_check CHECK (duration_s >= 0),
  CONSTRAINT config_threshold_rules_severity_allowed_check CHECK (severity IN ('info', 'warning', 'critical')),
  CONSTRAINT config_threshold_rules_barn_has_farm_check CHECK (barn_id is null or farm_id is not null)
);
CREATE INDEX config_threshold_rules_tenant_id_barn_id_idx ON config_threshold_rules (tenant_id, barn_id);
CREATE INDEX config_threshold_rules_tenant_id_enabled_idx ON config_threshold_rules (tenant_id, enabled);

CREATE TABLE config_target_curves (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  species text COLLATE "C",
  day integer NOT NULL,
  target_weight_kg numeric(12, 3),
  target_fcr numeric(10, 4),
  updated_by text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT config_target_curves_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT config_target_curves_tenant_id_farm_id_barn_id_species_day_key UNIQUE NULLS NOT DISTINCT (tenant_id, farm_id, barn_id, species, day),
  CONSTRAINT config_target_curves_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT config_target_curves_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT config_target_curves_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT config_target_curves_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT config_target_curves_day_check CHECK (day >= 0),
  CONSTRAINT config_target_curves_barn_has_farm_check CHECK (barn_id is null or farm_id is not null)
);
CREATE INDEX config_target_curves_tenant_id_barn_id_idx ON config_target_curves (tenant_id, barn_id);

CREATE TABLE roles (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT roles_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT roles_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT roles_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT roles_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT roles_name_allowed_check CHECK (name IN ('platform_admin', 'tenant_admin', 'farm_manager', 'house_operator', 'viewer', 'device_agent'))
);

CREATE TABLE users (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  email text COLLATE "C" NOT NULL,
  password text COLLATE "C",
  display_name text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CONSTRAINT users_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT users_tenant_id_email_key UNIQUE (tenant_id, email),
  CONSTRAINT users_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT users_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT users_email_check CHECK (email = lower(email) and char_length(email) between 3 and 320),
  CONSTRAINT users_display_name_check CHECK (char_length(display_name) between 1 and 200),
  CONSTRAINT users_status_allowed_check CHECK (status IN ('active', 'disabled', 'deleted'))
);

CREATE TABLE farm_users (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  display_name text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  barn_ids jsonb NOT NULL DEFAULT '[]'::jsonb,
  permissions jsonb NOT NULL DEFAULT '[]'::jsonb,
  offline_verifier text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT farm_users_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT farm_users_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT farm_users_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT farm_users_display_name_check CHECK (char_length(display_name) between 1 and 200),
  CONSTRAINT farm_users_status_allowed_check CHECK (status IN ('active', 'disabled'))
);
CREATE INDEX farm_users_tenant_id_status_idx ON farm_users (tenant_id, status);

CREATE TABLE user_roles (
  tenant_id text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  role_id uuid NOT NULL,
  granted_at timestamptz NOT NULL DEFAULT now(),
  granted_by text COLLATE "C",
  CONSTRAINT user_roles_pkey PRIMARY KEY (tenant_id, user_id, role_id),
  CONSTRAINT user_roles_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT user_roles_user_id_check CHECK (substr(user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT user_roles_role_id_check CHECK (substr(role_id::text, 15, 1) in ('7', '8'))
);
CREATE INDEX user_roles_tenant_id_role_id_idx ON user_roles (tenant_id, role_id);

CREATE TABLE permissions (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  category text COLLATE "C" NOT NULL,
  description text COLLATE "C",
  CONSTRAINT permissions_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT permissions_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT permissions_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT permissions_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT permissions_name_check CHECK (char_length(name) between 1 and 200)
);

CREATE TABLE role_permissions (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  role_id uuid NOT NULL,
  permission_id uuid NOT NULL,
  scope text COLLATE "C",
  CONSTRAINT role_permissions_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT role_permissions_tenant_id_role_id_permission_id_scope_key UNIQUE NULLS NOT DISTINCT (tenant_id, role_id, permission_id, scope),
  CONSTRAINT role_permissions_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT role_permissions_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT role_permissions_role_id_check CHECK (substr(role_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT role_permissions_permission_id_check CHECK (substr(permission_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT role_permissions_scope_allowed_check CHECK (scope IN ('global', 'tenant', 'farm', 'barn'))
);
CREATE INDEX role_permissions_tenant_id_permission_id_idx ON role_permissions (tenant_id, permission_id);

CREATE TABLE custom_roles (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  description text COLLATE "C",
  base_role_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT custom_roles_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT custom_roles_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT custom_roles_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT custom_roles_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT custom_roles_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT custom_roles_base_role_id_check CHECK (substr(base_role_id::text, 15, 1) in ('7', '8'))
);

CREATE TABLE custom_role_permissions (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  custom_role_id uuid NOT NULL,
  permission_id uuid NOT NULL,
  scope text COLLATE "C",
  CONSTRAINT custom_role_permissions_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT custom_role_permissions_tenant_id_custom_role_id_permi_bbad3560 UNIQUE NULLS NOT DISTINCT (tenant_id, custom_role_id, permission_id, scope),
  CONSTRAINT custom_role_permissions_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT custom_role_permissions_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT custom_role_permissions_custom_role_id_check CHECK (substr(custom_role_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT custom_role_permissions_permission_id_check CHECK (substr(permission_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT custom_role_permissions_scope_allowed_check CHECK (scope IN ('global', 'tenant', 'farm', 'barn'))
);
CREATE INDEX custom_role_permissions_tenant_id_permission_id_idx ON custom_role_permissions (tenant_id, permission_id);

CREATE TABLE user_attributes (
  tenant_id text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  key text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT user_attributes_pkey PRIMARY KEY (tenant_id, user_id, key),
  CONSTRAINT user_attributes_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT user_attributes_user_id_check CHECK (substr(user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT user_attributes_key_check CHECK (char_length(key) between 1 and 200)
);

CREATE TABLE species_catalog (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  code text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  scientific_name text COLLATE "C",
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT species_catalog_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT species_catalog_tenant_id_code_key UNIQUE (tenant_id, code),
  CONSTRAINT species_catalog_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT species_catalog_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT species_catalog_code_check CHECK (char_length(code) between 1 and 128),
  CONSTRAINT species_catalog_name_check CHECK (char_length(name) between 1 and 200)
);

CREATE TABLE breeder_company (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  country text COLLATE "C",
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT breeder_company_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT breeder_company_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT breeder_company_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT breeder_company_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT breeder_company_name_check CHECK (char_length(name) between 1 and 200)
);

CREATE TABLE genetic_line_catalog (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  breeder_company_id uuid NOT NULL,
  species_id uuid NOT NULL,
  code text COLLATE "C",
  name text COLLATE "C" NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT genetic_line_catalog_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT genetic_line_catalog_tenant_id_breeder_company_id_name_key UNIQUE (tenant_id, breeder_company_id, name),
  CONSTRAINT genetic_line_catalog_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT genetic_line_catalog_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT genetic_line_catalog_breeder_company_id_check CHECK (substr(breeder_company_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT genetic_line_catalog_species_id_check CHECK (substr(species_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT genetic_line_catalog_code_check CHECK (char_length(code) between 1 and 128),
  CONSTRAINT genetic_line_catalog_name_check CHECK (char_length(name) between 1 and 200)
);
CREATE UNIQUE INDEX genetic_line_catalog_tenant_id_code_partial_key ON genetic_line_catalog (tenant_id, code) WHERE code is not null;
CREATE INDEX genetic_line_catalog_tenant_id_species_id_idx ON genetic_line_catalog (tenant_id, species_id);

CREATE TABLE standard_schema (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  code text COLLATE "C" NOT NULL,
  display_name text COLLATE "C" NOT NULL,
  dim_type_default text COLLATE "C" NOT NULL,
  csv_columns_json jsonb NOT NULL,
  payload_schema_json jsonb NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT standard_schema_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT standard_schema_tenant_id_code_key UNIQUE (tenant_id, code),
  CONSTRAINT standard_schema_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT standard_schema_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_schema_code_check CHECK (char_length(code) between 1 and 128),
  CONSTRAINT standard_schema_display_name_check CHECK (char_length(display_name) between 1 and 200),
  CONSTRAINT standard_schema_dim_type_default_allowed_check CHECK (dim_type_default IN ('AGE_DAY', 'AGE_WEEK', 'BODY_WEIGHT_G', 'PHASE', 'CUSTOM'))
);

CREATE TABLE source_documents (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  title text COLLATE "C",
  doi text COLLATE "C",
  url text COLLATE "C",
  file_hash text COLLATE "C",
  note text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT source_documents_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT source_documents_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT source_documents_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT source_documents_note_check CHECK (char_length(note) <= 10000)
);

CREATE TABLE standard_sets (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  set_type text COLLATE "C" NOT NULL,
  unit_system text COLLATE "C" NOT NULL,
  sex text COLLATE "C" NOT NULL,
  scope text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C",
  house_id text COLLATE "C",
  flock_id text COLLATE "C",
  species_id uuid NOT NULL,
  genetic_line_id uuid,
  standard_schema_id uuid NOT NULL,
  version_tag text COLLATE "C" NOT NULL,
  is_active boolean NOT NULL DEFAULT false,
  derived_from_set_id uuid,
  adjustment_json jsonb,
  source_document_id uuid,
  day_start integer,
  day_end integer,
  is_daily boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT standard_sets_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT standard_sets_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT standard_sets_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_sets_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT standard_sets_set_type_allowed_check CHECK (set_type IN ('REFERENCE', 'STANDARD', 'TARGET')),
  CONSTRAINT standard_sets_unit_system_allowed_check CHECK (unit_system IN ('METRIC', 'IMPERIAL')),
  CONSTRAINT standard_sets_sex_allowed_check CHECK (sex IN ('AS_HATCHED', 'MALE', 'FEMALE', 'MIXED')),
  CONSTRAINT standard_sets_scope_allowed_check CHECK (scope IN ('GLOBAL', 'TENANT', 'FARM', 'HOUSE', 'FLOCK')),
  CONSTRAINT standard_sets_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT standard_sets_house_id_check CHECK (char_length(house_id) between 1 and 128),
  CONSTRAINT standard_sets_flock_id_check CHECK (char_length(flock_id) between 1 and 128),
  CONSTRAINT standard_sets_species_id_check CHECK (substr(species_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_sets_genetic_line_id_check CHECK (substr(genetic_line_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_sets_standard_schema_id_check CHECK (substr(standard_schema_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_sets_derived_from_set_id_check CHECK (substr(derived_from_set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_sets_source_document_id_check CHECK (substr(source_document_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_sets_day_start_check CHECK (day_start >= 0),
  CONSTRAINT standard_sets_day_end_check CHECK (day_end >= 0),
  CONSTRAINT standard_sets_days_in_order_check CHECK (day_end is null or day_start is null or day_end >= day_start),
  CONSTRAINT standard_sets_scope_is_named_check CHECK (case scope when 'FARM' then farm_id is not null when 'HOUSE' then house_id is not null when 'FLOCK' then flock_id is not null else true end)
);
CREATE INDEX standard_sets_tenant_id_species_id_genetic_line_id_sta_c5ad3e17 ON standard_sets (tenant_id, species_id, genetic_line_id, standard_schema_id, is_active, scope);
CREATE INDEX standard_sets_tenant_id_farm_id_house_id_flock_id_idx ON standard_sets (tenant_id, farm_id, house_id, flock_id);
CREATE INDEX standard_sets_tenant_id_standard_schema_id_idx ON standard_sets (tenant_id, standard_schema_id);

CREATE TABLE standard_rows (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  set_id uuid NOT NULL,
  row_key text COLLATE "C" NOT NULL,
  dim_type text COLLATE "C" NOT NULL,
  dim_from double precision NOT NULL,
  dim_to double precision,
  phase text COLLATE "C",
  payload_json jsonb NOT NULL,
  is_interpolated boolean NOT NULL DEFAULT false,
  note text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT standard_rows_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT standard_rows_tenant_id_set_id_row_key_key UNIQUE (tenant_id, set_id, row_key),
  CONSTRAINT standard_rows_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT standard_rows_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_rows_set_id_check CHECK (substr(set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_rows_row_key_check CHECK (char_length(row_key) between 1 and 128),
  CONSTRAINT standard_rows_dim_type_allowed_check CHECK (dim_type IN ('AGE_DAY', 'AGE_WEEK', 'BODY_WEIGHT_G', 'PHASE', 'CUSTOM')),
  CONSTRAINT standard_rows_note_check CHECK (char_length(note) <= 10000)
);
CREATE INDEX standard_rows_tenant_id_set_id_dim_type_dim_from_idx ON standard_rows (tenant_id, set_id, dim_type, dim_from);

CREATE TABLE standard_row_metrics (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  row_id uuid NOT NULL,
  metric_key text COLLATE "C" NOT NULL,
  value_json jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT standard_row_metrics_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT standard_row_metrics_tenant_id_row_id_metric_key_key UNIQUE (tenant_id, row_id, metric_key),
  CONSTRAINT standard_row_metrics_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT standard_row_metrics_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_row_metrics_row_id_check CHECK (substr(row_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT standard_row_metrics_metric_key_check CHECK (char_length(metric_key) between 1 and 128)
);
CREATE INDEX standard_row_metrics_tenant_id_metric_key_idx ON standard_row_metrics (tenant_id, metric_key);

CREATE TABLE import_jobs (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  set_id uuid,
  status text COLLATE "C" NOT NULL DEFAULT 'DRAFT',
  filename text COLLATE "C" NOT NULL,
  file_hash text COLLATE "C",
  uploaded_by text COLLATE "C" NOT NULL,
  uploaded_at timestamptz NOT NULL,
  dry_run boolean NOT NULL DEFAULT true,
  summary_json jsonb,
  error_json jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT import_jobs_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT import_jobs_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT import_jobs_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT import_jobs_set_id_check CHECK (substr(set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT import_jobs_status_allowed_check CHECK (status IN ('DRAFT', 'VALIDATED', 'COMMITTED', 'FAILED'))
);
CREATE INDEX import_jobs_tenant_id_status_uploaded_at_idx ON import_jobs (tenant_id, status, uploaded_at DESC);
CREATE INDEX import_jobs_tenant_id_set_id_idx ON import_jobs (tenant_id, set_id);

CREATE TABLE import_job_errors (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  job_id uuid NOT NULL,
  line integer,
  "column" text COLLATE "C",
  message text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT import_job_errors_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT import_job_errors_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT import_job_errors_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT import_job_errors_job_id_check CHECK (substr(job_id::text, 15, 1) in ('7', '8'))
);
CREATE INDEX import_job_errors_tenant_id_job_id_idx ON import_job_errors (tenant_id, job_id);

CREATE TABLE telemetry_raw (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C",
  metric text COLLATE "C" NOT NULL,
  value numeric(12, 4) NOT NULL,
  unit text COLLATE "C",
  occurred_at timestamptz NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  trace_id text COLLATE "C",
  ingested_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT telemetry_raw_pkey PRIMARY KEY (tenant_id, id, occurred_at),
  CONSTRAINT telemetry_raw_tenant_id_event_id_occurred_at_key UNIQUE (tenant_id, event_id, occurred_at),
  CONSTRAINT telemetry_raw_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT telemetry_raw_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT telemetry_raw_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT telemetry_raw_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT telemetry_raw_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT telemetry_raw_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT telemetry_raw_metric_check CHECK (char_length(metric) between 1 and 128),
  CONSTRAINT telemetry_raw_value_check CHECK (value <> 'NaN'),
  CONSTRAINT telemetry_raw_event_id_check CHECK (char_length(event_id) between 1 and 128)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE telemetry_raw_default PARTITION OF telemetry_raw DEFAULT;
CREATE INDEX telemetry_raw_tenant_id_occurred_at_idx ON telemetry_raw (tenant_id, occurred_at DESC);
CREATE INDEX telemetry_raw_tenant_id_device_id_metric_occurred_at_idx ON telemetry_raw (tenant_id, device_id, metric, occurred_at DESC);

CREATE TABLE telemetry_agg (
  tenant_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  metric text COLLATE "C" NOT NULL,
  bucket_start timestamptz NOT NULL,
  bucket_size text COLLATE "C" NOT NULL,
  avg numeric(12, 4) NOT NULL,
  min numeric(12, 4) NOT NULL,
  max numeric(12, 4) NOT NULL,
  sum numeric(20, 4) NOT NULL,
  count integer NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT telemetry_agg_pkey PRIMARY KEY (tenant_id, farm_id, barn_id, device_id, metric, bucket_start, bucket_size),
  CONSTRAINT telemetry_agg_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT telemetry_agg_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT telemetry_agg_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT telemetry_agg_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT telemetry_agg_metric_check CHECK (char_length(metric) between 1 and 128),
  CONSTRAINT telemetry_agg_bucket_size_allowed_check CHECK (bucket_size IN ('1m', '5m', '1h', '1d')),
  CONSTRAINT telemetry_agg_avg_check CHECK (avg <> 'NaN'),
  CONSTRAINT telemetry_agg_min_check CHECK (min <> 'NaN'),
  CONSTRAINT telemetry_agg_max_check CHECK (max <> 'NaN'),
  CONSTRAINT telemetry_agg_count_check CHECK (count > 0)
) PARTITION BY RANGE (bucket_start);
CREATE TABLE telemetry_agg_default PARTITION OF telemetry_agg DEFAULT;
CREATE INDEX telemetry_agg_tenant_id_bucket_start_idx ON telemetry_agg (tenant_id, bucket_start DESC);
CREATE INDEX telemetry_agg_tenant_id_device_id_metric_bucket_start_idx ON telemetry_agg (tenant_id, device_id, metric, bucket_start DESC);

CREATE TABLE telemetry_rollup_due (
  tenant_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  metric text COLLATE "C" NOT NULL,
  hour_start timestamptz NOT NULL,
  marked_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT telemetry_rollup_due_pkey PRIMARY KEY (tenant_id, farm_id, barn_id, device_id, metric, hour_start),
  CONSTRAINT telemetry_rollup_due_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT telemetry_rollup_due_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT telemetry_rollup_due_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT telemetry_rollup_due_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT telemetry_rollup_due_metric_check CHECK (char_length(metric) between 1 and 128)
);
CREATE INDEX telemetry_rollup_due_marked_at_idx ON telemetry_rollup_due (marked_at);

CREATE TABLE device_last_seen (
  tenant_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  last_seen_at timestamptz NOT NULL,
  last_topic text COLLATE "C" NOT NULL,
  last_payload_hash text COLLATE "C",
  status text COLLATE "C" NOT NULL DEFAULT 'online',
  firmware_version text COLLATE "C",
  signal_strength_dbm integer,
  health_score integer,
  health jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT device_last_seen_pkey PRIMARY KEY (tenant_id, device_id),
  CONSTRAINT device_last_seen_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT device_last_seen_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT device_last_seen_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT device_last_seen_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT device_last_seen_status_allowed_check CHECK (status IN ('online', 'offline')),
  CONSTRAINT device_last_seen_health_score_check CHECK (health_score between 0 and 100)
);
CREATE INDEX device_last_seen_tenant_id_last_seen_at_idx ON device_last_seen (tenant_id, last_seen_at);

CREATE TABLE weight_sessions (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL DEFAULT '00000000-0000-8000-8000-000000000000',
  session_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  station_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C",
  status text COLLATE "C" NOT NULL DEFAULT 'created',
  start_at timestamptz NOT NULL,
  end_at timestamptz,
  initial_weight_kg numeric(12, 3),
  final_weight_kg numeric(12, 3),
  image_count integer NOT NULL DEFAULT 0,
  announced_image_count integer,
  notes text COLLATE "C",
  cancelled_by uuid,
  cancel_reason text COLLATE "C",
  trace_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT weight_sessions_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT weight_sessions_tenant_id_station_id_session_id_key UNIQUE (tenant_id, station_id, session_id),
  CONSTRAINT weight_sessions_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT weight_sessions_id_check CHECK (substr(id::text, 15, 1) = '8'),
  CONSTRAINT weight_sessions_session_id_check CHECK (char_length(session_id) between 1 and 128),
  CONSTRAINT weight_sessions_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT weight_sessions_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT weight_sessions_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT weight_sessions_station_id_check CHECK (char_length(station_id) between 1 and 128),
  CONSTRAINT weight_sessions_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT weight_sessions_status_allowed_check CHECK (status IN ('created', 'incomplete', 'finalized', 'cancelled')),
  CONSTRAINT weight_sessions_initial_weight_kg_check CHECK (initial_weight_kg >= 0),
  CONSTRAINT weight_sessions_final_weight_kg_check CHECK (final_weight_kg >= 0),
  CONSTRAINT weight_sessions_image_count_check CHECK (image_count >= 0),
  CONSTRAINT weight_sessions_announced_image_count_check CHECK (announced_image_count >= 0),
  CONSTRAINT weight_sessions_cancelled_by_check CHECK (substr(cancelled_by::text, 15, 1) in ('7', '8')),
  CONSTRAINT weight_sessions_cancel_reason_check CHECK (char_length(cancel_reason) <= 10000)
);
CREATE INDEX weight_sessions_tenant_id_session_id_idx ON weight_sessions (tenant_id, session_id);
CREATE INDEX weight_sessions_tenant_id_farm_id_start_at_idx ON weight_sessions (tenant_id, farm_id, start_at DESC);
CREATE INDEX weight_sessions_tenant_id_barn_id_start_at_idx ON weight_sessions (tenant_id, barn_id, start_at DESC);
CREATE INDEX weight_sessions_tenant_id_batch_id_start_at_idx ON weight_sessions (tenant_id, batch_id, start_at DESC);
CREATE INDEX weight_sessions_tenant_id_device_id_start_at_idx ON weight_sessions (tenant_id, device_id, start_at DESC);
CREATE INDEX weight_sessions_tenant_id_status_start_at_idx ON weight_sessions (tenant_id, status, start_at DESC);
CREATE OR REPLACE FUNCTION hayloft.derive_weight_sessions() RETURNS trigger LANGUAGE plpgsql
  SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $function$
BEGIN
  NEW.id := hayloft.derived_id('weight_sessions', ARRAY[NEW.tenant_id::text, NEW.station_id::text, NEW.session_id::text]);
  RETURN NEW;
END
$function$;
CREATE TRIGGER hayloft_derive BEFORE INSERT ON weight_sessions FOR EACH ROW EXECUTE FUNCTION hayloft.derive_weight_sessions();
ALTER TABLE weight_sessions ENABLE ALWAYS TRIGGER hayloft_derive;

CREATE TABLE session_weights (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  weight_session_id uuid NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  weight_kg numeric(12, 3) NOT NULL,
  occurred_at timestamptz NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  trace_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_weights_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT session_weights_tenant_id_event_id_key UNIQUE (tenant_id, event_id),
  CONSTRAINT session_weights_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT session_weights_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT session_weights_weight_session_id_check CHECK (substr(weight_session_id::text, 15, 1) = '8'),
  CONSTRAINT session_weights_session_id_check CHECK (char_length(session_id) between 1 and 128),
  CONSTRAINT session_weights_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT session_weights_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT session_weights_weight_kg_check CHECK (weight_kg >= 0),
  CONSTRAINT session_weights_event_id_check CHECK (char_length(event_id) between 1 and 128)
);
CREATE INDEX session_weights_tenant_id_weight_session_id_occurred_at_idx ON session_weights (tenant_id, weight_session_id, occurred_at);
CREATE INDEX session_weights_tenant_id_farm_id_occurred_at_idx ON session_weights (tenant_id, farm_id, occurred_at DESC);
CREATE INDEX session_weights_tenant_id_barn_id_occurred_at_idx ON session_weights (tenant_id, barn_id, occurred_at DESC);

CREATE TABLE session_media_bindings (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  weight_session_id uuid NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  media_object_id text COLLATE "C" NOT NULL,
  image_role text COLLATE "C",
  occurred_at timestamptz NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  trace_id text COLLATE "C",
  is_bound boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_media_bindings_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT session_media_bindings_tenant_id_event_id_key UNIQUE (tenant_id, event_id),
  CONSTRAINT session_media_bindings_tenant_id_weight_session_id_med_bd55fc99 UNIQUE (tenant_id, weight_session_id, media_object_id),
  CONSTRAINT session_media_bindings_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT session_media_bindings_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT session_media_bindings_weight_session_id_check CHECK (substr(weight_session_id::text, 15, 1) = '8'),
  CONSTRAINT session_media_bindings_session_id_check CHECK (char_length(session_id) between 1 and 128),
  CONSTRAINT session_media_bindings_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT session_media_bindings_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT session_media_bindings_media_object_id_check CHECK (char_length(media_object_id) between 1 and 128),
  CONSTRAINT session_media_bindings_event_id_check CHECK (char_length(event_id) between 1 and 128)
);
CREATE INDEX session_media_bindings_tenant_id_media_object_id_idx ON session_media_bindings (tenant_id, media_object_id);
CREATE INDEX session_media_bindings_tenant_id_farm_id_occurred_at_idx ON session_media_bindings (tenant_id, farm_id, occurred_at DESC);
CREATE INDEX session_media_bindings_tenant_id_barn_id_occurred_at_idx ON session_media_bindings (tenant_id, barn_id, occurred_at DESC);

CREATE TABLE inference_results (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  station_id text COLLATE "C",
  session_id text COLLATE "C",
  weight_session_id uuid,
  media_id text COLLATE "C",
  predicted_weight_kg numeric(12, 3),
  predicted_size text COLLATE "C",
  confidence numeric(5, 4),
  model_version text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  trace_id text COLLATE "C",
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT inference_results_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT inference_results_tenant_id_event_id_key UNIQUE (tenant_id, event_id),
  CONSTRAINT inference_results_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT inference_results_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT inference_results_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT inference_results_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT inference_results_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT inference_results_station_id_check CHECK (char_length(station_id) between 1 and 128),
  CONSTRAINT inference_results_session_id_check CHECK (char_length(session_id) between 1 and 128),
  CONSTRAINT inference_results_weight_session_id_check CHECK (substr(weight_session_id::text, 15, 1) = '8'),
  CONSTRAINT inference_results_media_id_check CHECK (char_length(media_id) between 1 and 128),
  CONSTRAINT inference_results_predicted_weight_kg_check CHECK (predicted_weight_kg >= 0),
  CONSTRAINT inference_results_confidence_check CHECK (confidence between 0 and 1),
  CONSTRAINT inference_results_model_version_check CHECK (char_length(model_version) between 1 and 128),
  CONSTRAINT inference_results_event_id_check CHECK (char_length(event_id) between 1 and 128)
);
CREATE UNIQUE INDEX inference_results_tenant_id_media_id_model_version_partial_key ON inference_results (tenant_id, media_id, model_version) WHERE media_id is not null;
CREATE INDEX inference_results_tenant_id_session_id_idx ON inference_results (tenant_id, session_id);
CREATE INDEX inference_results_tenant_id_weight_session_id_idx ON inference_results (tenant_id, weight_session_id);
CREATE INDEX inference_results_tenant_id_farm_id_occurred_at_idx ON inference_results (tenant_id, farm_id, occurred_at DESC);
CREATE INDEX inference_results_tenant_id_barn_id_occurred_at_idx ON inference_results (tenant_id, barn_id, occurred_at DESC);
CREATE INDEX inference_results_tenant_id_device_id_occurred_at_idx ON inference_results (tenant_id, device_id, occurred_at DESC);

CREATE TABLE inference_jobs (
  tenant_id text COLLATE "C" NOT NULL,
  media_id text COLLATE "C" NOT NULL,
  model_version text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_error_code text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT inference_jobs_pkey PRIMARY KEY (tenant_id, media_id, model_version),
  CONSTRAINT inference_jobs_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT inference_jobs_media_id_check CHECK (char_length(media_id) between 1 and 128),
  CONSTRAINT inference_jobs_model_version_check CHECK (char_length(model_version) between 1 and 128),
  CONSTRAINT inference_jobs_state_allowed_check CHECK (state IN ('waiting', 'running', 'done', 'failed'))
);
CREATE INDEX inference_jobs_tenant_id_state_next_attempt_at_idx ON inference_jobs (tenant_id, state, next_attempt_at);

CREATE TABLE media_objects (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  station_id text COLLATE "C",
  session_id text COLLATE "C",
  weight_session_id uuid,
  bucket text COLLATE "C" NOT NULL,
  object_key text COLLATE "C" NOT NULL,
  etag text COLLATE "C",
  mime_type text COLLATE "C" NOT NULL,
  size_bytes bigint NOT NULL,
  sha256 text COLLATE "C" NOT NULL,
  width_px integer,
  height_px integer,
  image_role text COLLATE "C",
  subject_table text COLLATE "C",
  subject_id uuid,
  captured_at timestamptz NOT NULL,
  created_by_user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT media_objects_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT media_objects_tenant_id_object_key_key UNIQUE (tenant_id, object_key),
  CONSTRAINT media_objects_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT media_objects_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_objects_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT media_objects_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT media_objects_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT media_objects_station_id_check CHECK (char_length(station_id) between 1 and 128),
  CONSTRAINT media_objects_session_id_check CHECK (char_length(session_id) between 1 and 128),
  CONSTRAINT media_objects_weight_session_id_check CHECK (substr(weight_session_id::text, 15, 1) = '8'),
  CONSTRAINT media_objects_bucket_check CHECK (char_length(bucket) between 1 and 128),
  CONSTRAINT media_objects_object_key_check CHECK (char_length(object_key) between 1 and 1024),
  CONSTRAINT media_objects_mime_type_allowed_check CHECK (mime_type IN ('image/jpeg', 'image/png', 'image/webp')),
  CONSTRAINT media_objects_size_bytes_check CHECK (size_bytes between 1 and 10485760),
  CONSTRAINT media_objects_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT media_objects_width_px_check CHECK (width_px > 0),
  CONSTRAINT media_objects_height_px_check CHECK (height_px > 0),
  CONSTRAINT media_objects_subject_table_check CHECK (char_length(subject_table) between 1 and 128),
  CONSTRAINT media_objects_subject_id_check CHECK (substr(subject_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_objects_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8'))
);
CREATE INDEX media_objects_tenant_id_session_id_idx ON media_objects (tenant_id, session_id);
CREATE INDEX media_objects_tenant_id_weight_session_id_idx ON media_objects (tenant_id, weight_session_id);
CREATE INDEX media_objects_tenant_id_sha256_idx ON media_objects (tenant_id, sha256);
CREATE INDEX media_objects_tenant_id_subject_table_subject_id_idx ON media_objects (tenant_id, subject_table, subject_id);
CREATE INDEX media_objects_tenant_id_farm_id_captured_at_idx ON media_objects (tenant_id, farm_id, captured_at DESC);
CREATE INDEX media_objects_tenant_id_barn_id_captured_at_idx ON media_objects (tenant_id, barn_id, captured_at DESC);
CREATE INDEX media_objects_tenant_id_device_id_captured_at_idx ON media_objects (tenant_id, device_id, captured_at DESC);

CREATE TABLE media_variants (
  tenant_id text COLLATE "C" NOT NULL,
  media_id uuid NOT NULL,
  kind text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  mime_type text COLLATE "C" NOT NULL,
  width_px integer NOT NULL,
  height_px integer NOT NULL,
  size_bytes bigint NOT NULL,
  sha256 text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT media_variants_pkey PRIMARY KEY (tenant_id, media_id, kind),
  CONSTRAINT media_variants_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT media_variants_media_id_check CHECK (substr(media_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_variants_kind_allowed_check CHECK (kind IN ('original', 'preview', 'thumbnail')),
  CONSTRAINT media_variants_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT media_variants_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT media_variants_mime_type_allowed_check CHECK (mime_type IN ('image/jpeg', 'image/png', 'image/webp')),
  CONSTRAINT media_variants_width_px_check CHECK (width_px > 0),
  CONSTRAINT media_variants_height_px_check CHECK (height_px > 0),
  CONSTRAINT media_variants_size_bytes_check CHECK (size_bytes > 0),
  CONSTRAINT media_variants_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
CREATE INDEX media_variants_tenant_id_sha256_idx ON media_variants (tenant_id, sha256);
CREATE INDEX media_variants_tenant_id_farm_id_created_at_idx ON media_variants (tenant_id, farm_id, created_at DESC);
CREATE INDEX media_variants_tenant_id_barn_id_created_at_idx ON media_variants (tenant_id, barn_id, created_at DESC);

CREATE TABLE media_requests (
  tenant_id text COLLATE "C" NOT NULL,
  media_id uuid NOT NULL,
  variant text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  requested_by text COLLATE "C" NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT media_requests_pkey PRIMARY KEY (tenant_id, media_id, variant),
  CONSTRAINT media_requests_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT media_requests_media_id_check CHECK (substr(media_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_requests_variant_allowed_check CHECK (variant IN ('original', 'preview', 'thumbnail')),
  CONSTRAINT media_requests_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT media_requests_barn_id_check CHECK (char_length(barn_id) between 1 and 128)
);
CREATE INDEX media_requests_tenant_id_farm_id_requested_at_idx ON media_requests (tenant_id, farm_id, requested_at DESC);
CREATE INDEX media_requests_tenant_id_barn_id_requested_at_idx ON media_requests (tenant_id, barn_id, requested_at DESC);

CREATE TABLE media_presence (
  tenant_id text COLLATE "C" NOT NULL,
  media_id uuid NOT NULL,
  variant text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  sha256 text COLLATE "C",
  size_bytes bigint,
  is_at_parent boolean NOT NULL DEFAULT false,
  verified_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT media_presence_pkey PRIMARY KEY (tenant_id, media_id, variant),
  CONSTRAINT media_presence_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT media_presence_media_id_check CHECK (substr(media_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_presence_variant_allowed_check CHECK (variant IN ('original', 'preview', 'thumbnail')),
  CONSTRAINT media_presence_state_allowed_check CHECK (state IN ('present', 'missing', 'damaged')),
  CONSTRAINT media_presence_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
CREATE INDEX media_presence_tenant_id_state_idx ON media_presence (tenant_id, state);

CREATE TABLE media_transfers (
  tenant_id text COLLATE "C" NOT NULL,
  media_id uuid NOT NULL,
  variant text COLLATE "C" NOT NULL,
  direction text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  total_bytes bigint,
  sent_bytes bigint NOT NULL DEFAULT 0,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_error_code text COLLATE "C",
  requested_by text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT media_transfers_pkey PRIMARY KEY (tenant_id, media_id, variant, direction),
  CONSTRAINT media_transfers_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT media_transfers_media_id_check CHECK (substr(media_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_transfers_variant_allowed_check CHECK (variant IN ('original', 'preview', 'thumbnail')),
  CONSTRAINT media_transfers_direction_allowed_check CHECK (direction IN ('up', 'down')),
  CONSTRAINT media_transfers_state_allowed_check CHECK (state IN ('waiting', 'running', 'done', 'failed'))
);
CREATE INDEX media_transfers_tenant_id_state_next_attempt_at_idx ON media_transfers (tenant_id, state, next_attempt_at);

CREATE TABLE media_uploads (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  object_key text COLLATE "C" NOT NULL,
  mime_type text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  received_bytes bigint,
  sha256 text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  CONSTRAINT media_uploads_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT media_uploads_tenant_id_object_key_key UNIQUE (tenant_id, object_key),
  CONSTRAINT media_uploads_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT media_uploads_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT media_uploads_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT media_uploads_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT media_uploads_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT media_uploads_object_key_check CHECK (char_length(object_key) between 1 and 1024),
  CONSTRAINT media_uploads_mime_type_allowed_check CHECK (mime_type IN ('image/jpeg', 'image/png', 'image/webp')),
  CONSTRAINT media_uploads_state_allowed_check CHECK (state IN ('open', 'received', 'complete')),
  CONSTRAINT media_uploads_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
CREATE INDEX media_uploads_expires_at_idx ON media_uploads (expires_at);
CREATE INDEX media_uploads_tenant_id_device_id_created_at_idx ON media_uploads (tenant_id, device_id, created_at DESC);

CREATE TABLE barn_mortality_event (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  batch_id text COLLATE "C",
  cause_code text COLLATE "C",
  animal_count integer NOT NULL,
  disposal_method text COLLATE "C",
  CONSTRAINT barn_mortality_event_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_mortality_event_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_mortality_event_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_mortality_event_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_mortality_event_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_mortality_event_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_mortality_event_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_mortality_event_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_mortality_event_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_mortality_event_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_mortality_event_cause_code_check CHECK (char_length(cause_code) between 1 and 128),
  CONSTRAINT barn_mortality_event_animal_count_check CHECK (animal_count >= 0),
  CONSTRAINT barn_mortality_event_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_mortality_event_tenant_id_external_ref_partial_key ON barn_mortality_event (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_mortality_event_tenant_id_event_id_partial_key ON barn_mortality_event (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_mortality_event_tenant_id_occurred_at_idx ON barn_mortality_event (tenant_id, occurred_at DESC);
CREATE INDEX barn_mortality_event_tenant_id_farm_id_occurred_at_idx ON barn_mortality_event (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_mortality_event_tenant_id_barn_id_occurred_at_idx ON barn_mortality_event (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_mortality_event_tenant_id_created_at_idx ON barn_mortality_event (tenant_id, created_at DESC);
CREATE INDEX barn_mortality_event_tenant_id_batch_id_occurred_at_idx ON barn_mortality_event (tenant_id, batch_id, occurred_at);
CREATE INDEX barn_mortality_event_tenant_id_cause_code_idx ON barn_mortality_event (tenant_id, cause_code);
CREATE INDEX barn_mortality_event_tenant_id_created_by_user_id_idx ON barn_mortality_event (tenant_id, created_by_user_id);

CREATE TABLE barn_cull_event (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  batch_id text COLLATE "C",
  reason_code text COLLATE "C",
  animal_count integer NOT NULL,
  CONSTRAINT barn_cull_event_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_cull_event_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_cull_event_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_cull_event_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_cull_event_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_cull_event_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_cull_event_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_cull_event_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_cull_event_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_cull_event_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_cull_event_reason_code_check CHECK (char_length(reason_code) between 1 and 128),
  CONSTRAINT barn_cull_event_animal_count_check CHECK (animal_count >= 0),
  CONSTRAINT barn_cull_event_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_cull_event_tenant_id_external_ref_partial_key ON barn_cull_event (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_cull_event_tenant_id_event_id_partial_key ON barn_cull_event (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_cull_event_tenant_id_occurred_at_idx ON barn_cull_event (tenant_id, occurred_at DESC);
CREATE INDEX barn_cull_event_tenant_id_farm_id_occurred_at_idx ON barn_cull_event (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_cull_event_tenant_id_barn_id_occurred_at_idx ON barn_cull_event (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_cull_event_tenant_id_created_at_idx ON barn_cull_event (tenant_id, created_at DESC);
CREATE INDEX barn_cull_event_tenant_id_batch_id_occurred_at_idx ON barn_cull_event (tenant_id, batch_id, occurred_at);
CREATE INDEX barn_cull_event_tenant_id_reason_code_idx ON barn_cull_event (tenant_id, reason_code);
CREATE INDEX barn_cull_event_tenant_id_created_by_user_id_idx ON barn_cull_event (tenant_id, created_by_user_id);

CREATE TABLE barn_morbidity_event (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  batch_id text COLLATE "C",
  disease_code text COLLATE "C",
  severity text COLLATE "C",
  animal_count integer NOT NULL,
  CONSTRAINT barn_morbidity_event_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_morbidity_event_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_morbidity_event_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_morbidity_event_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_morbidity_event_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_morbidity_event_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_morbidity_event_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_morbidity_event_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_morbidity_event_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_morbidity_event_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_morbidity_event_disease_code_check CHECK (char_length(disease_code) between 1 and 128),
  CONSTRAINT barn_morbidity_event_severity_allowed_check CHECK (severity IN ('low', 'medium', 'high')),
  CONSTRAINT barn_morbidity_event_animal_count_check CHECK (animal_count >= 0),
  CONSTRAINT barn_morbidity_event_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_morbidity_event_tenant_id_external_ref_partial_key ON barn_morbidity_event (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_morbidity_event_tenant_id_event_id_partial_key ON barn_morbidity_event (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_morbidity_event_tenant_id_occurred_at_idx ON barn_morbidity_event (tenant_id, occurred_at DESC);
CREATE INDEX barn_morbidity_event_tenant_id_farm_id_occurred_at_idx ON barn_morbidity_event (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_morbidity_event_tenant_id_barn_id_occurred_at_idx ON barn_morbidity_event (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_morbidity_event_tenant_id_created_at_idx ON barn_morbidity_event (tenant_id, created_at DESC);
CREATE INDEX barn_morbidity_event_tenant_id_batch_id_occurred_at_idx ON barn_morbidity_event (tenant_id, batch_id, occurred_at);
CREATE INDEX barn_morbidity_event_tenant_id_disease_code_idx ON barn_morbidity_event (tenant_id, disease_code);
CREATE INDEX barn_morbidity_event_tenant_id_created_by_user_id_idx ON barn_morbidity_event (tenant_id, created_by_user_id);

CREATE TABLE barn_vaccine_event (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  batch_id text COLLATE "C",
  vaccine_name text COLLATE "C" NOT NULL,
  dose_ml numeric(8, 2),
  route text COLLATE "C",
  administered_by text COLLATE "C",
  animal_count integer NOT NULL,
  CONSTRAINT barn_vaccine_event_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_vaccine_event_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_vaccine_event_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_vaccine_event_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_vaccine_event_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_vaccine_event_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_vaccine_event_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_vaccine_event_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_vaccine_event_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_vaccine_event_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_vaccine_event_vaccine_name_check CHECK (char_length(vaccine_name) between 1 and 200),
  CONSTRAINT barn_vaccine_event_dose_ml_check CHECK (dose_ml >= 0),
  CONSTRAINT barn_vaccine_event_route_allowed_check CHECK (route IN ('IM', 'SC', 'oral')),
  CONSTRAINT barn_vaccine_event_animal_count_check CHECK (animal_count >= 0),
  CONSTRAINT barn_vaccine_event_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_vaccine_event_tenant_id_external_ref_partial_key ON barn_vaccine_event (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_vaccine_event_tenant_id_event_id_partial_key ON barn_vaccine_event (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_vaccine_event_tenant_id_occurred_at_idx ON barn_vaccine_event (tenant_id, occurred_at DESC);
CREATE INDEX barn_vaccine_event_tenant_id_farm_id_occurred_at_idx ON barn_vaccine_event (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_vaccine_event_tenant_id_barn_id_occurred_at_idx ON barn_vaccine_event (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_vaccine_event_tenant_id_created_at_idx ON barn_vaccine_event (tenant_id, created_at DESC);
CREATE INDEX barn_vaccine_event_tenant_id_batch_id_occurred_at_idx ON barn_vaccine_event (tenant_id, batch_id, occurred_at);
CREATE INDEX barn_vaccine_event_tenant_id_vaccine_name_idx ON barn_vaccine_event (tenant_id, vaccine_name);

CREATE TABLE barn_treatment_event (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  batch_id text COLLATE "C",
  treatment_name text COLLATE "C" NOT NULL,
  dose_ml numeric(8, 2),
  route text COLLATE "C",
  duration_days integer,
  animal_count integer NOT NULL,
  withdrawal_days integer,
  CONSTRAINT barn_treatment_event_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_treatment_event_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_treatment_event_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_treatment_event_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_treatment_event_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_treatment_event_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_treatment_event_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_treatment_event_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_treatment_event_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_treatment_event_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_treatment_event_treatment_name_check CHECK (char_length(treatment_name) between 1 and 200),
  CONSTRAINT barn_treatment_event_dose_ml_check CHECK (dose_ml >= 0),
  CONSTRAINT barn_treatment_event_route_allowed_check CHECK (route IN ('IM', 'SC', 'oral')),
  CONSTRAINT barn_treatment_event_duration_days_check CHECK (duration_days >= 0),
  CONSTRAINT barn_treatment_event_animal_count_check CHECK (animal_count >= 0),
  CONSTRAINT barn_treatment_event_withdrawal_days_check CHECK (withdrawal_days >= 0),
  CONSTRAINT barn_treatment_event_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_treatment_event_tenant_id_external_ref_partial_key ON barn_treatment_event (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_treatment_event_tenant_id_event_id_partial_key ON barn_treatment_event (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_treatment_event_tenant_id_occurred_at_idx ON barn_treatment_event (tenant_id, occurred_at DESC);
CREATE INDEX barn_treatment_event_tenant_id_farm_id_occurred_at_idx ON barn_treatment_event (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_treatment_event_tenant_id_barn_id_occurred_at_idx ON barn_treatment_event (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_treatment_event_tenant_id_created_at_idx ON barn_treatment_event (tenant_id, created_at DESC);
CREATE INDEX barn_treatment_event_tenant_id_batch_id_occurred_at_idx ON barn_treatment_event (tenant_id, batch_id, occurred_at);
CREATE INDEX barn_treatment_event_tenant_id_treatment_name_idx ON barn_treatment_event (tenant_id, treatment_name);

CREATE TABLE barn_welfare_check (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  batch_id text COLLATE "C",
  gait_score integer,
  lesion_score integer,
  behavior_score integer,
  observer text COLLATE "C",
  CONSTRAINT barn_welfare_check_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_welfare_check_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_welfare_check_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_welfare_check_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_welfare_check_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_welfare_check_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_welfare_check_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_welfare_check_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_welfare_check_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_welfare_check_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_welfare_check_gait_score_check CHECK (gait_score between 0 and 5),
  CONSTRAINT barn_welfare_check_lesion_score_check CHECK (lesion_score between 0 and 5),
  CONSTRAINT barn_welfare_check_behavior_score_check CHECK (behavior_score between 0 and 5),
  CONSTRAINT barn_welfare_check_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_welfare_check_tenant_id_external_ref_partial_key ON barn_welfare_check (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_welfare_check_tenant_id_event_id_partial_key ON barn_welfare_check (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_welfare_check_tenant_id_occurred_at_idx ON barn_welfare_check (tenant_id, occurred_at DESC);
CREATE INDEX barn_welfare_check_tenant_id_farm_id_occurred_at_idx ON barn_welfare_check (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_welfare_check_tenant_id_barn_id_occurred_at_idx ON barn_welfare_check (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_welfare_check_tenant_id_created_at_idx ON barn_welfare_check (tenant_id, created_at DESC);
CREATE INDEX barn_welfare_check_tenant_id_batch_id_occurred_at_idx ON barn_welfare_check (tenant_id, batch_id, occurred_at);

CREATE TABLE barn_housing_condition (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  notes text COLLATE "C",
  created_by_user_id uuid,
  external_ref text COLLATE "C",
  event_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  stocking_density numeric(8, 2),
  bedding_type text COLLATE "C",
  ventilation_mode text COLLATE "C",
  temperature_c numeric(5, 2),
  humidity_pct numeric(7, 4),
  ammonia_ppm numeric(8, 2),
  CONSTRAINT barn_housing_condition_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_housing_condition_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_housing_condition_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_housing_condition_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_housing_condition_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_housing_condition_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_housing_condition_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_housing_condition_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT barn_housing_condition_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT barn_housing_condition_stocking_density_check CHECK (stocking_density >= 0),
  CONSTRAINT barn_housing_condition_humidity_pct_check CHECK (humidity_pct between 0 and 100),
  CONSTRAINT barn_housing_condition_ammonia_ppm_check CHECK (ammonia_ppm >= 0),
  CONSTRAINT barn_housing_condition_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX barn_housing_condition_tenant_id_external_ref_partial_key ON barn_housing_condition (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX barn_housing_condition_tenant_id_event_id_partial_key ON barn_housing_condition (tenant_id, event_id) WHERE event_id is not null;
CREATE INDEX barn_housing_condition_tenant_id_occurred_at_idx ON barn_housing_condition (tenant_id, occurred_at DESC);
CREATE INDEX barn_housing_condition_tenant_id_farm_id_occurred_at_idx ON barn_housing_condition (tenant_id, farm_id, occurred_at);
CREATE INDEX barn_housing_condition_tenant_id_barn_id_occurred_at_idx ON barn_housing_condition (tenant_id, barn_id, occurred_at);
CREATE INDEX barn_housing_condition_tenant_id_created_at_idx ON barn_housing_condition (tenant_id, created_at DESC);

CREATE TABLE barn_daily_count (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL DEFAULT '00000000-0000-8000-8000-000000000000',
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C",
  record_date date NOT NULL,
  animal_count integer NOT NULL,
  average_weight_kg numeric(12, 3),
  mortality_count integer NOT NULL DEFAULT 0,
  cull_count integer NOT NULL DEFAULT 0,
  notes text COLLATE "C",
  external_ref text COLLATE "C",
  created_by_user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT barn_daily_count_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_daily_count_tenant_id_barn_id_record_date_key UNIQUE (tenant_id, barn_id, record_date),
  CONSTRAINT barn_daily_count_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_daily_count_id_check CHECK (substr(id::text, 15, 1) = '8'),
  CONSTRAINT barn_daily_count_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_daily_count_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_daily_count_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_daily_count_animal_count_check CHECK (animal_count >= 0),
  CONSTRAINT barn_daily_count_average_weight_kg_check CHECK (average_weight_kg >= 0),
  CONSTRAINT barn_daily_count_mortality_count_check CHECK (mortality_count >= 0),
  CONSTRAINT barn_daily_count_cull_count_check CHECK (cull_count >= 0),
  CONSTRAINT barn_daily_count_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT barn_daily_count_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8'))
);
CREATE UNIQUE INDEX barn_daily_count_tenant_id_external_ref_partial_key ON barn_daily_count (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX barn_daily_count_tenant_id_record_date_idx ON barn_daily_count (tenant_id, record_date);
CREATE INDEX barn_daily_count_tenant_id_farm_id_record_date_idx ON barn_daily_count (tenant_id, farm_id, record_date);
CREATE INDEX barn_daily_count_tenant_id_batch_id_record_date_idx ON barn_daily_count (tenant_id, batch_id, record_date);
CREATE INDEX barn_daily_count_tenant_id_created_at_idx ON barn_daily_count (tenant_id, created_at DESC);
CREATE OR REPLACE FUNCTION hayloft.derive_barn_daily_count() RETURNS trigger LANGUAGE plpgsql
  SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $function$
BEGIN
  NEW.id := hayloft.derived_id('barn_daily_count', ARRAY[NEW.tenant_id::text, NEW.barn_id::text, NEW.record_date::text]);
  RETURN NEW;
END
$function$;
CREATE TRIGGER hayloft_derive BEFORE INSERT ON barn_daily_count FOR EACH ROW EXECUTE FUNCTION hayloft.derive_barn_daily_count();
ALTER TABLE barn_daily_count ENABLE ALWAYS TRIGGER hayloft_derive;

CREATE TABLE barn_log_page (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL DEFAULT '00000000-0000-8000-8000-000000000000',
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  record_date date NOT NULL,
  notes text COLLATE "C",
  checklist jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT barn_log_page_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_log_page_tenant_id_barn_id_record_date_key UNIQUE (tenant_id, barn_id, record_date),
  CONSTRAINT barn_log_page_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_log_page_id_check CHECK (substr(id::text, 15, 1) = '8'),
  CONSTRAINT barn_log_page_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_log_page_barn_id_check CHECK (char_length(barn_id) between 1 and 128)
);
CREATE INDEX barn_log_page_tenant_id_record_date_idx ON barn_log_page (tenant_id, record_date);
CREATE INDEX barn_log_page_tenant_id_farm_id_record_date_idx ON barn_log_page (tenant_id, farm_id, record_date);
CREATE OR REPLACE FUNCTION hayloft.derive_barn_log_page() RETURNS trigger LANGUAGE plpgsql
  SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $function$
BEGIN
  NEW.id := hayloft.derived_id('barn_log_page', ARRAY[NEW.tenant_id::text, NEW.barn_id::text, NEW.record_date::text]);
  RETURN NEW;
END
$function$;
CREATE TRIGGER hayloft_derive BEFORE INSERT ON barn_log_page FOR EACH ROW EXECUTE FUNCTION hayloft.derive_barn_log_page();
ALTER TABLE barn_log_page ENABLE ALWAYS TRIGGER hayloft_derive;

CREATE TABLE barn_genetic_profile (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C" NOT NULL,
  species_code text COLLATE "C" NOT NULL DEFAULT 'chicken',
  genetic_line_code text COLLATE "C",
  growth_target_set_id uuid,
  env_target_set_id uuid,
  lighting_target_set_id uuid,
  ventilation_target_set_id uuid,
  strain text COLLATE "C",
  breed_line text COLLATE "C",
  supplier text COLLATE "C",
  hatch_date date,
  external_ref text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT barn_genetic_profile_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_genetic_profile_tenant_id_batch_id_key UNIQUE (tenant_id, batch_id),
  CONSTRAINT barn_genetic_profile_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_genetic_profile_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_genetic_profile_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_genetic_profile_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_genetic_profile_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT barn_genetic_profile_growth_target_set_id_check CHECK (substr(growth_target_set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_genetic_profile_env_target_set_id_check CHECK (substr(env_target_set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_genetic_profile_lighting_target_set_id_check CHECK (substr(lighting_target_set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_genetic_profile_ventilation_target_set_id_check CHECK (substr(ventilation_target_set_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT barn_genetic_profile_external_ref_check CHECK (char_length(external_ref) between 1 and 128)
);
CREATE UNIQUE INDEX barn_genetic_profile_tenant_id_external_ref_partial_key ON barn_genetic_profile (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX barn_genetic_profile_tenant_id_farm_id_idx ON barn_genetic_profile (tenant_id, farm_id);
CREATE INDEX barn_genetic_profile_tenant_id_barn_id_idx ON barn_genetic_profile (tenant_id, barn_id);
CREATE INDEX barn_genetic_profile_tenant_id_created_at_idx ON barn_genetic_profile (tenant_id, created_at DESC);

CREATE TABLE barn_stock (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL DEFAULT '00000000-0000-8000-8000-000000000000',
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  item_code text COLLATE "C" NOT NULL,
  item_name text COLLATE "C" NOT NULL,
  unit text COLLATE "C" NOT NULL,
  on_hand numeric(14, 3) NOT NULL DEFAULT 0,
  order_below numeric(14, 3),
  notes text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT barn_stock_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT barn_stock_tenant_id_barn_id_item_code_key UNIQUE (tenant_id, barn_id, item_code),
  CONSTRAINT barn_stock_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT barn_stock_id_check CHECK (substr(id::text, 15, 1) = '8'),
  CONSTRAINT barn_stock_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT barn_stock_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT barn_stock_item_code_check CHECK (char_length(item_code) between 1 and 128),
  CONSTRAINT barn_stock_item_name_check CHECK (char_length(item_name) between 1 and 200),
  CONSTRAINT barn_stock_unit_allowed_check CHECK (unit IN ('kg', 'l', 'ml', 'piece')),
  CONSTRAINT barn_stock_order_below_check CHECK (order_below >= 0)
);
CREATE INDEX barn_stock_tenant_id_farm_id_idx ON barn_stock (tenant_id, farm_id);
CREATE INDEX barn_stock_tenant_id_item_code_idx ON barn_stock (tenant_id, item_code);
CREATE OR REPLACE FUNCTION hayloft.derive_barn_stock() RETURNS trigger LANGUAGE plpgsql
  SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $function$
BEGIN
  NEW.id := hayloft.derived_id('barn_stock', ARRAY[NEW.tenant_id::text, NEW.barn_id::text, NEW.item_code::text]);
  RETURN NEW;
END
$function$;
CREATE TRIGGER hayloft_derive BEFORE INSERT ON barn_stock FOR EACH ROW EXECUTE FUNCTION hayloft.derive_barn_stock();
ALTER TABLE barn_stock ENABLE ALWAYS TRIGGER hayloft_derive;

CREATE TABLE feed_formula (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  species text COLLATE "C",
  phase text COLLATE "C",
  energy_kcal_per_kg numeric(8, 2),
  protein_pct numeric(7, 4),
  fiber_pct numeric(7, 4),
  fat_pct numeric(7, 4),
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  external_ref text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT feed_formula_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_formula_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT feed_formula_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_formula_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_formula_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT feed_formula_species_allowed_check CHECK (species IN ('broiler', 'layer', 'swine', 'fish')),
  CONSTRAINT feed_formula_energy_kcal_per_kg_check CHECK (energy_kcal_per_kg >= 0),
  CONSTRAINT feed_formula_protein_pct_check CHECK (protein_pct between 0 and 100),
  CONSTRAINT feed_formula_fiber_pct_check CHECK (fiber_pct between 0 and 100),
  CONSTRAINT feed_formula_fat_pct_check CHECK (fat_pct between 0 and 100),
  CONSTRAINT feed_formula_status_allowed_check CHECK (status IN ('active', 'inactive')),
  CONSTRAINT feed_formula_external_ref_check CHECK (char_length(external_ref) between 1 and 128)
);
CREATE UNIQUE INDEX feed_formula_tenant_id_external_ref_partial_key ON feed_formula (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX feed_formula_tenant_id_species_idx ON feed_formula (tenant_id, species);
CREATE INDEX feed_formula_tenant_id_status_idx ON feed_formula (tenant_id, status);
CREATE INDEX feed_formula_tenant_id_created_at_idx ON feed_formula (tenant_id, created_at DESC);

CREATE TABLE feed_lot (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  supplier_name text COLLATE "C",
  lot_code text COLLATE "C" NOT NULL,
  feed_formula_id uuid,
  manufacture_date date,
  received_date date,
  quantity_kg numeric(12, 3),
  remaining_kg numeric(12, 3),
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  external_ref text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT feed_lot_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_lot_tenant_id_lot_code_key UNIQUE (tenant_id, lot_code),
  CONSTRAINT feed_lot_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_lot_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_lot_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT feed_lot_lot_code_check CHECK (char_length(lot_code) between 1 and 128),
  CONSTRAINT feed_lot_feed_formula_id_check CHECK (substr(feed_formula_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_lot_quantity_kg_check CHECK (quantity_kg >= 0),
  CONSTRAINT feed_lot_status_allowed_check CHECK (status IN ('active', 'archived')),
  CONSTRAINT feed_lot_external_ref_check CHECK (char_length(external_ref) between 1 and 128)
);
CREATE UNIQUE INDEX feed_lot_tenant_id_external_ref_partial_key ON feed_lot (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX feed_lot_tenant_id_farm_id_received_date_idx ON feed_lot (tenant_id, farm_id, received_date);
CREATE INDEX feed_lot_tenant_id_feed_formula_id_idx ON feed_lot (tenant_id, feed_formula_id);
CREATE INDEX feed_lot_tenant_id_status_idx ON feed_lot (tenant_id, status);
CREATE INDEX feed_lot_tenant_id_created_at_idx ON feed_lot (tenant_id, created_at DESC);

CREATE TABLE feed_delivery (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C",
  feed_lot_id uuid NOT NULL,
  delivery_ref text COLLATE "C",
  delivered_at timestamptz NOT NULL,
  quantity_kg numeric(12, 3) NOT NULL,
  unit_cost numeric(12, 2),
  currency text COLLATE "C",
  notes text COLLATE "C",
  external_ref text COLLATE "C",
  created_by_user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  CONSTRAINT feed_delivery_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_delivery_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_delivery_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_delivery_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT feed_delivery_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT feed_delivery_feed_lot_id_check CHECK (substr(feed_lot_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_delivery_delivery_ref_check CHECK (char_length(delivery_ref) between 1 and 128),
  CONSTRAINT feed_delivery_quantity_kg_check CHECK (quantity_kg >= 0),
  CONSTRAINT feed_delivery_unit_cost_check CHECK (unit_cost >= 0),
  CONSTRAINT feed_delivery_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT feed_delivery_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_delivery_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT feed_delivery_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX feed_delivery_tenant_id_delivery_ref_partial_key ON feed_delivery (tenant_id, delivery_ref) WHERE delivery_ref is not null;
CREATE UNIQUE INDEX feed_delivery_tenant_id_external_ref_partial_key ON feed_delivery (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX feed_delivery_tenant_id_delivered_at_idx ON feed_delivery (tenant_id, delivered_at DESC);
CREATE INDEX feed_delivery_tenant_id_farm_id_delivered_at_idx ON feed_delivery (tenant_id, farm_id, delivered_at);
CREATE INDEX feed_delivery_tenant_id_barn_id_delivered_at_idx ON feed_delivery (tenant_id, barn_id, delivered_at);
CREATE INDEX feed_delivery_tenant_id_feed_lot_id_idx ON feed_delivery (tenant_id, feed_lot_id);
CREATE INDEX feed_delivery_tenant_id_created_at_idx ON feed_delivery (tenant_id, created_at DESC);

CREATE TABLE feed_quality_result (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  feed_lot_id uuid NOT NULL,
  sampled_at timestamptz NOT NULL,
  metric text COLLATE "C" NOT NULL,
  value numeric(12, 4) NOT NULL,
  unit text COLLATE "C",
  method text COLLATE "C",
  status text COLLATE "C" NOT NULL DEFAULT 'valid',
  external_ref text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT feed_quality_result_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_quality_result_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_quality_result_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_quality_result_feed_lot_id_check CHECK (substr(feed_lot_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_quality_result_value_check CHECK (value <> 'NaN'),
  CONSTRAINT feed_quality_result_status_allowed_check CHECK (status IN ('valid', 'rejected')),
  CONSTRAINT feed_quality_result_external_ref_check CHECK (char_length(external_ref) between 1 and 128)
);
CREATE UNIQUE INDEX feed_quality_result_tenant_id_external_ref_partial_key ON feed_quality_result (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX feed_quality_result_tenant_id_sampled_at_idx ON feed_quality_result (tenant_id, sampled_at DESC);
CREATE INDEX feed_quality_result_tenant_id_feed_lot_id_idx ON feed_quality_result (tenant_id, feed_lot_id);
CREATE INDEX feed_quality_result_tenant_id_metric_idx ON feed_quality_result (tenant_id, metric);
CREATE INDEX feed_quality_result_tenant_id_status_idx ON feed_quality_result (tenant_id, status);
CREATE INDEX feed_quality_result_tenant_id_created_at_idx ON feed_quality_result (tenant_id, created_at DESC);

CREATE TABLE feed_intake_record (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C",
  device_id text COLLATE "C",
  source text COLLATE "C" NOT NULL,
  feed_formula_id text COLLATE "C",
  feed_lot_id text COLLATE "C",
  quantity_kg numeric(12, 3) NOT NULL,
  occurred_at timestamptz NOT NULL,
  ingested_at timestamptz,
  event_id text COLLATE "C",
  external_ref text COLLATE "C",
  idempotency_key text COLLATE "C",
  sequence integer,
  notes text COLLATE "C",
  created_by_user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  CONSTRAINT feed_intake_record_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_intake_record_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_intake_record_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_intake_record_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT feed_intake_record_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT feed_intake_record_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT feed_intake_record_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT feed_intake_record_source_allowed_check CHECK (source IN ('MANUAL', 'API_IMPORT', 'MQTT_DISPENSED', 'SILO_AUTO')),
  CONSTRAINT feed_intake_record_feed_formula_id_check CHECK (char_length(feed_formula_id) between 1 and 128),
  CONSTRAINT feed_intake_record_feed_lot_id_check CHECK (char_length(feed_lot_id) between 1 and 128),
  CONSTRAINT feed_intake_record_quantity_kg_check CHECK (quantity_kg > 0),
  CONSTRAINT feed_intake_record_event_id_check CHECK (char_length(event_id) between 1 and 128),
  CONSTRAINT feed_intake_record_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT feed_intake_record_idempotency_key_check CHECK (char_length(idempotency_key) between 1 and 128),
  CONSTRAINT feed_intake_record_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_intake_record_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT feed_intake_record_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null)),
  CONSTRAINT feed_intake_record_import_is_repeatable_check CHECK (source <> 'API_IMPORT' or external_ref is not null)
);
CREATE UNIQUE INDEX feed_intake_record_tenant_id_event_id_partial_key ON feed_intake_record (tenant_id, event_id) WHERE event_id is not null;
CREATE UNIQUE INDEX feed_intake_record_tenant_id_external_ref_partial_key ON feed_intake_record (tenant_id, external_ref) WHERE external_ref is not null;
CREATE UNIQUE INDEX feed_intake_record_tenant_id_idempotency_key_partial_key ON feed_intake_record (tenant_id, idempotency_key) WHERE idempotency_key is not null;
CREATE INDEX feed_intake_record_tenant_id_occurred_at_idx ON feed_intake_record (tenant_id, occurred_at DESC);
CREATE INDEX feed_intake_record_tenant_id_farm_id_occurred_at_idx ON feed_intake_record (tenant_id, farm_id, occurred_at);
CREATE INDEX feed_intake_record_tenant_id_barn_id_occurred_at_idx ON feed_intake_record (tenant_id, barn_id, occurred_at);
CREATE INDEX feed_intake_record_tenant_id_batch_id_occurred_at_idx ON feed_intake_record (tenant_id, batch_id, occurred_at);
CREATE INDEX feed_intake_record_tenant_id_device_id_occurred_at_idx ON feed_intake_record (tenant_id, device_id, occurred_at);
CREATE INDEX feed_intake_record_tenant_id_source_occurred_at_idx ON feed_intake_record (tenant_id, source, occurred_at);
CREATE INDEX feed_intake_record_tenant_id_feed_lot_id_idx ON feed_intake_record (tenant_id, feed_lot_id);
CREATE INDEX feed_intake_record_tenant_id_created_at_idx ON feed_intake_record (tenant_id, created_at DESC);

CREATE TABLE feed_program (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  name text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  start_date date,
  end_date date,
  notes text COLLATE "C",
  external_ref text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT feed_program_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_program_tenant_id_name_key UNIQUE (tenant_id, name),
  CONSTRAINT feed_program_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_program_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_program_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT feed_program_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT feed_program_name_check CHECK (char_length(name) between 1 and 200),
  CONSTRAINT feed_program_status_allowed_check CHECK (status IN ('active', 'inactive')),
  CONSTRAINT feed_program_notes_check CHECK (char_length(notes) <= 10000),
  CONSTRAINT feed_program_external_ref_check CHECK (char_length(external_ref) between 1 and 128)
);
CREATE UNIQUE INDEX feed_program_tenant_id_external_ref_partial_key ON feed_program (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX feed_program_tenant_id_farm_id_idx ON feed_program (tenant_id, farm_id);
CREATE INDEX feed_program_tenant_id_barn_id_idx ON feed_program (tenant_id, barn_id);
CREATE INDEX feed_program_tenant_id_status_idx ON feed_program (tenant_id, status);
CREATE INDEX feed_program_tenant_id_created_at_idx ON feed_program (tenant_id, created_at DESC);

CREATE TABLE feed_inventory_snapshot (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  feed_lot_id uuid,
  snapshot_at timestamptz NOT NULL,
  quantity_kg numeric(12, 3) NOT NULL,
  source text COLLATE "C" NOT NULL,
  notes text COLLATE "C",
  external_ref text COLLATE "C",
  created_by_user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  voided_at timestamptz,
  voided_by uuid,
  void_reason text COLLATE "C",
  CONSTRAINT feed_inventory_snapshot_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT feed_inventory_snapshot_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT feed_inventory_snapshot_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_inventory_snapshot_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT feed_inventory_snapshot_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT feed_inventory_snapshot_feed_lot_id_check CHECK (substr(feed_lot_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_inventory_snapshot_quantity_kg_check CHECK (quantity_kg >= 0),
  CONSTRAINT feed_inventory_snapshot_source_allowed_check CHECK (source IN ('MANUAL', 'SENSOR')),
  CONSTRAINT feed_inventory_snapshot_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT feed_inventory_snapshot_created_by_user_id_check CHECK (substr(created_by_user_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT feed_inventory_snapshot_void_reason_check CHECK (char_length(void_reason) <= 10000),
  CONSTRAINT feed_inventory_snapshot_void_is_whole_check CHECK ((voided_at is null) = (void_reason is null))
);
CREATE UNIQUE INDEX feed_inventory_snapshot_tenant_id_external_ref_partial_key ON feed_inventory_snapshot (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX feed_inventory_snapshot_tenant_id_snapshot_at_idx ON feed_inventory_snapshot (tenant_id, snapshot_at DESC);
CREATE INDEX feed_inventory_snapshot_tenant_id_farm_id_snapshot_at_idx ON feed_inventory_snapshot (tenant_id, farm_id, snapshot_at);
CREATE INDEX feed_inventory_snapshot_tenant_id_barn_id_snapshot_at_idx ON feed_inventory_snapshot (tenant_id, barn_id, snapshot_at);
CREATE INDEX feed_inventory_snapshot_tenant_id_feed_lot_id_idx ON feed_inventory_snapshot (tenant_id, feed_lot_id);
CREATE INDEX feed_inventory_snapshot_tenant_id_source_idx ON feed_inventory_snapshot (tenant_id, source);
CREATE INDEX feed_inventory_snapshot_tenant_id_created_at_idx ON feed_inventory_snapshot (tenant_id, created_at DESC);

CREATE TABLE silo_weight_snapshot (
  tenant_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  weight_kg numeric(12, 3) NOT NULL,
  recorded_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT silo_weight_snapshot_pkey PRIMARY KEY (tenant_id, device_id),
  CONSTRAINT silo_weight_snapshot_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT silo_weight_snapshot_device_id_check CHECK (char_length(device_id) between 1 and 128)
);

CREATE TABLE analytics_results (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  type text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  device_id text COLLATE "C",
  session_id text COLLATE "C",
  metric text COLLATE "C" NOT NULL,
  value numeric(12, 4),
  unit text COLLATE "C",
  "window" text COLLATE "C",
  occurred_at timestamptz NOT NULL,
  source_event_id text COLLATE "C" NOT NULL,
  trace_id text COLLATE "C",
  payload jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT analytics_results_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT analytics_results_tenant_id_type_source_event_id_metric_key UNIQUE (tenant_id, type, source_event_id, metric),
  CONSTRAINT analytics_results_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT analytics_results_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT analytics_results_type_allowed_check CHECK (type IN ('kpi', 'anomaly', 'forecast')),
  CONSTRAINT analytics_results_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT analytics_results_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT analytics_results_device_id_check CHECK (char_length(device_id) between 1 and 128),
  CONSTRAINT analytics_results_session_id_check CHECK (char_length(session_id) between 1 and 128),
  CONSTRAINT analytics_results_metric_check CHECK (char_length(metric) between 1 and 128),
  CONSTRAINT analytics_results_value_check CHECK (value <> 'NaN'),
  CONSTRAINT analytics_results_source_event_id_check CHECK (char_length(source_event_id) between 1 and 128)
);
CREATE INDEX analytics_results_tenant_id_type_occurred_at_idx ON analytics_results (tenant_id, type, occurred_at DESC);
CREATE INDEX analytics_results_tenant_id_metric_occurred_at_idx ON analytics_results (tenant_id, metric, occurred_at DESC);
CREATE INDEX analytics_results_tenant_id_farm_id_occurred_at_idx ON analytics_results (tenant_id, farm_id, occurred_at DESC);
CREATE INDEX analytics_results_tenant_id_barn_id_occurred_at_idx ON analytics_results (tenant_id, barn_id, occurred_at DESC);

CREATE TABLE kpi_daily (
  tenant_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C",
  record_date date NOT NULL,
  fcr numeric(10, 4),
  adg_g numeric(10, 3),
  sgr_pct numeric(7, 4),
  total_feed_kg numeric(12, 3),
  weight_gain_kg numeric(12, 3),
  biomass_kg numeric(12, 3),
  animal_count integer,
  mortality_count integer NOT NULL DEFAULT 0,
  is_intake_missing boolean NOT NULL DEFAULT false,
  is_weight_missing boolean NOT NULL DEFAULT false,
  source_window_start timestamptz,
  source_window_end timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT kpi_daily_pkey PRIMARY KEY (tenant_id, barn_id, record_date),
  CONSTRAINT kpi_daily_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT kpi_daily_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT kpi_daily_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT kpi_daily_batch_id_check CHECK (char_length(batch_id) between 1 and 128)
);
CREATE INDEX kpi_daily_tenant_id_record_date_idx ON kpi_daily (tenant_id, record_date);
CREATE INDEX kpi_daily_tenant_id_farm_id_record_date_idx ON kpi_daily (tenant_id, farm_id, record_date);
CREATE INDEX kpi_daily_tenant_id_batch_id_record_date_idx ON kpi_daily (tenant_id, batch_id, record_date);

CREATE TABLE weighvision_weight_aggregate (
  tenant_id text COLLATE "C" NOT NULL,
  farm_id text COLLATE "C" NOT NULL,
  barn_id text COLLATE "C" NOT NULL,
  batch_id text COLLATE "C" NOT NULL DEFAULT 'none',
  record_date date NOT NULL,
  avg_weight_kg numeric(12, 3),
  p10_weight_kg numeric(12, 3),
  p50_weight_kg numeric(12, 3),
  p90_weight_kg numeric(12, 3),
  sample_count integer NOT NULL DEFAULT 0,
  quality_pass_rate_pct numeric(7, 4),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT weighvision_weight_aggregate_pkey PRIMARY KEY (tenant_id, farm_id, barn_id, batch_id, record_date),
  CONSTRAINT weighvision_weight_aggregate_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT weighvision_weight_aggregate_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT weighvision_weight_aggregate_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT weighvision_weight_aggregate_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT weighvision_weight_aggregate_sample_count_check CHECK (sample_count >= 0)
);
CREATE INDEX weighvision_weight_aggregate_tenant_id_record_date_idx ON weighvision_weight_aggregate (tenant_id, record_date);

CREATE TABLE audit_events (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  actor_id text COLLATE "C" NOT NULL,
  actor_role text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  resource_type text COLLATE "C" NOT NULL,
  resource_id text COLLATE "C",
  summary text COLLATE "C" NOT NULL,
  metadata_json jsonb,
  request_id text COLLATE "C",
  trace_id text COLLATE "C",
  node_id text COLLATE "C",
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT audit_events_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT audit_events_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT audit_events_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT audit_events_actor_id_check CHECK (char_length(actor_id) between 1 and 128),
  CONSTRAINT audit_events_action_check CHECK (char_length(action) between 1 and 128),
  CONSTRAINT audit_events_resource_type_check CHECK (char_length(resource_type) between 1 and 128),
  CONSTRAINT audit_events_resource_id_check CHECK (char_length(resource_id) between 1 and 128),
  CONSTRAINT audit_events_summary_check CHECK (char_length(summary) <= 10000),
  CONSTRAINT audit_events_request_id_check CHECK (char_length(request_id) between 1 and 128),
  CONSTRAINT audit_events_node_id_check CHECK (char_length(node_id) between 1 and 128)
);
CREATE INDEX audit_events_tenant_id_created_at_idx ON audit_events (tenant_id, created_at DESC);
CREATE INDEX audit_events_tenant_id_actor_id_created_at_idx ON audit_events (tenant_id, actor_id, created_at DESC);
CREATE INDEX audit_events_tenant_id_action_resource_type_created_at_idx ON audit_events (tenant_id, action, resource_type, created_at DESC);

CREATE TABLE notifications (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  farm_id text COLLATE "C",
  barn_id text COLLATE "C",
  batch_id text COLLATE "C",
  severity text COLLATE "C" NOT NULL DEFAULT 'info',
  channel text COLLATE "C" NOT NULL,
  title text COLLATE "C" NOT NULL,
  message text COLLATE "C" NOT NULL,
  payload_json jsonb,
  status text COLLATE "C" NOT NULL DEFAULT 'created',
  dedupe_key text COLLATE "C",
  idempotency_key text COLLATE "C",
  external_ref text COLLATE "C",
  created_by text COLLATE "C",
  acknowledged_at timestamptz,
  acknowledged_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT notifications_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT notifications_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT notifications_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT notifications_farm_id_check CHECK (char_length(farm_id) between 1 and 128),
  CONSTRAINT notifications_barn_id_check CHECK (char_length(barn_id) between 1 and 128),
  CONSTRAINT notifications_batch_id_check CHECK (char_length(batch_id) between 1 and 128),
  CONSTRAINT notifications_severity_allowed_check CHECK (severity IN ('info', 'warning', 'critical')),
  CONSTRAINT notifications_channel_allowed_check CHECK (channel IN ('in_app', 'webhook', 'email', 'sms')),
  CONSTRAINT notifications_title_check CHECK (char_length(title) between 1 and 200),
  CONSTRAINT notifications_message_check CHECK (char_length(message) <= 10000),
  CONSTRAINT notifications_status_allowed_check CHECK (status IN ('created', 'queued', 'failed', 'canceled', 'sent')),
  CONSTRAINT notifications_dedupe_key_check CHECK (char_length(dedupe_key) between 1 and 128),
  CONSTRAINT notifications_idempotency_key_check CHECK (char_length(idempotency_key) between 1 and 128),
  CONSTRAINT notifications_external_ref_check CHECK (char_length(external_ref) between 1 and 128),
  CONSTRAINT notifications_acknowledged_by_check CHECK (substr(acknowledged_by::text, 15, 1) in ('7', '8'))
);
CREATE UNIQUE INDEX notifications_tenant_id_idempotency_key_partial_key ON notifications (tenant_id, idempotency_key) WHERE idempotency_key is not null;
CREATE UNIQUE INDEX notifications_tenant_id_external_ref_partial_key ON notifications (tenant_id, external_ref) WHERE external_ref is not null;
CREATE INDEX notifications_tenant_id_created_at_idx ON notifications (tenant_id, created_at DESC);
CREATE INDEX notifications_tenant_id_farm_id_barn_id_batch_id_created_at_idx ON notifications (tenant_id, farm_id, barn_id, batch_id, created_at DESC);

CREATE TABLE notification_targets (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  notification_id uuid NOT NULL,
  target_type text COLLATE "C" NOT NULL,
  target_value text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT notification_targets_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT notification_targets_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT notification_targets_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT notification_targets_notification_id_check CHECK (substr(notification_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT notification_targets_target_type_allowed_check CHECK (target_type IN ('user', 'role', 'topic')),
  CONSTRAINT notification_targets_target_value_check CHECK (char_length(target_value) between 1 and 128)
);
CREATE INDEX notification_targets_tenant_id_notification_id_idx ON notification_targets (tenant_id, notification_id);

CREATE TABLE notification_delivery_attempts (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  notification_id uuid NOT NULL,
  attempt_no integer NOT NULL,
  provider text COLLATE "C" NOT NULL,
  destination text COLLATE "C",
  status text COLLATE "C" NOT NULL,
  error_message text COLLATE "C",
  response_code integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT notification_delivery_attempts_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT notification_delivery_attempts_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT notification_delivery_attempts_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT notification_delivery_attempts_notification_id_check CHECK (substr(notification_id::text, 15, 1) in ('7', '8')),
  CONSTRAINT notification_delivery_attempts_attempt_no_check CHECK (attempt_no > 0),
  CONSTRAINT notification_delivery_attempts_provider_allowed_check CHECK (provider IN ('in_app', 'webhook', 'email', 'sms')),
  CONSTRAINT notification_delivery_attempts_status_allowed_check CHECK (status IN ('success', 'fail', 'retrying'))
);
CREATE INDEX notification_delivery_attempts_tenant_id_notification__bdb3cfc0 ON notification_delivery_attempts (tenant_id, notification_id, created_at DESC);

CREATE TABLE ingress_dedupe (
  tenant_id text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  topic text COLLATE "C" NOT NULL,
  hash text COLLATE "C",
  CONSTRAINT ingress_dedupe_pkey PRIMARY KEY (tenant_id, event_id),
  CONSTRAINT ingress_dedupe_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT ingress_dedupe_event_id_check CHECK (char_length(event_id) between 1 and 128)
);
CREATE INDEX ingress_dedupe_expires_at_idx ON ingress_dedupe (expires_at);

CREATE TABLE ingress_refused (
  tenant_id text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  reason text COLLATE "C" NOT NULL,
  detail text COLLATE "C",
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C",
  device_id text COLLATE "C",
  size_bytes integer NOT NULL,
  hash text COLLATE "C" NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT ingress_refused_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT ingress_refused_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT ingress_refused_id_check CHECK (substr(id::text, 15, 1) in ('7', '8')),
  CONSTRAINT ingress_refused_reason_allowed_check CHECK (reason IN ('topic-invalid', 'message-too-large', 'envelope-invalid', 'schema-version', 'tenant-mismatch', 'device-mismatch', 'event-type-mismatch', 'event-type-unknown', 'payload-invalid', 'clock-ahead', 'too-old', 'tenant-unknown', 'not-allowed', 'disabled', 'blocked-on-site', 'wrong-place', 'rate-limited', 'content-conflict', 'rejected-by-store'))
);
CREATE INDEX ingress_refused_received_at_idx ON ingress_refused (received_at);
CREATE INDEX ingress_refused_tenant_id_reason_received_at_idx ON ingress_refused (tenant_id, reason, received_at DESC);

CREATE TABLE site_block_list (
  tenant_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  subject_id text COLLATE "C" NOT NULL,
  reason text COLLATE "C",
  blocked_by text COLLATE "C",
  blocked_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT site_block_list_pkey PRIMARY KEY (tenant_id, kind, subject_id),
  CONSTRAINT site_block_list_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT site_block_list_kind_allowed_check CHECK (kind IN ('device', 'station')),
  CONSTRAINT site_block_list_subject_id_check CHECK (char_length(subject_id) between 1 and 128),
  CONSTRAINT site_block_list_reason_check CHECK (char_length(reason) <= 10000)
);

CREATE TABLE alert_states (
  tenant_id text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  severity text COLLATE "C" NOT NULL,
  since timestamptz NOT NULL,
  notification_id uuid,
  details jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT alert_states_pkey PRIMARY KEY (tenant_id, rule, subject),
  CONSTRAINT alert_states_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT alert_states_rule_check CHECK (char_length(rule) between 1 and 128),
  CONSTRAINT alert_states_subject_check CHECK (char_length(subject) between 1 and 128),
  CONSTRAINT alert_states_state_allowed_check CHECK (state IN ('pending', 'firing', 'resolved')),
  CONSTRAINT alert_states_severity_allowed_check CHECK (severity IN ('info', 'warning', 'critical')),
  CONSTRAINT alert_states_notification_id_check CHECK (substr(notification_id::text, 15, 1) in ('7', '8'))
);
CREATE INDEX alert_states_tenant_id_state_idx ON alert_states (tenant_id, state);

CREATE TABLE consumer_positions (
  tenant_id text COLLATE "C" NOT NULL,
  consumer text COLLATE "C" NOT NULL,
  position bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT consumer_positions_pkey PRIMARY KEY (tenant_id, consumer),
  CONSTRAINT consumer_positions_tenant_id_check CHECK (char_length(tenant_id) between 1 and 128),
  CONSTRAINT consumer_positions_consumer_check CHECK (char_length(consumer) between 1 and 128)
);

ALTER TABLE farms ADD CONSTRAINT farms_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barns ADD CONSTRAINT barns_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barns ADD CONSTRAINT barns_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE batches ADD CONSTRAINT batches_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE batches ADD CONSTRAINT batches_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE batches ADD CONSTRAINT batches_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE devices ADD CONSTRAINT devices_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE devices ADD CONSTRAINT devices_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE devices ADD CONSTRAINT devices_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE devices ADD CONSTRAINT devices_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE stations ADD CONSTRAINT stations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE stations ADD CONSTRAINT stations_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE stations ADD CONSTRAINT stations_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE sensors ADD CONSTRAINT sensors_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE sensors ADD CONSTRAINT sensors_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE sensors ADD CONSTRAINT sensors_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE sensor_bindings ADD CONSTRAINT sensor_bindings_tenant_id_sensor_id_fkey FOREIGN KEY (tenant_id, sensor_id) REFERENCES sensors (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE sensor_bindings ADD CONSTRAINT sensor_bindings_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE sensor_calibrations ADD CONSTRAINT sensor_calibrations_tenant_id_sensor_id_fkey FOREIGN KEY (tenant_id, sensor_id) REFERENCES sensors (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE tenant_quotas ADD CONSTRAINT tenant_quotas_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE tenant_rate_limits ADD CONSTRAINT tenant_rate_limits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE config_threshold_rules ADD CONSTRAINT config_threshold_rules_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE config_threshold_rules ADD CONSTRAINT config_threshold_rules_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE config_threshold_rules ADD CONSTRAINT config_threshold_rules_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE config_target_curves ADD CONSTRAINT config_target_curves_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE config_target_curves ADD CONSTRAINT config_target_curves_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE config_target_curves ADD CONSTRAINT config_target_curves_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE user_roles ADD CONSTRAINT user_roles_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES farm_users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE role_permissions ADD CONSTRAINT role_permissions_tenant_id_role_id_fkey FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE role_permissions ADD CONSTRAINT role_permissions_tenant_id_permission_id_fkey FOREIGN KEY (tenant_id, permission_id) REFERENCES permissions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE custom_role_permissions ADD CONSTRAINT custom_role_permissions_tenant_id_custom_role_id_fkey FOREIGN KEY (tenant_id, custom_role_id) REFERENCES custom_roles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE user_attributes ADD CONSTRAINT user_attributes_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE genetic_line_catalog ADD CONSTRAINT genetic_line_catalog_tenant_id_breeder_company_id_fkey FOREIGN KEY (tenant_id, breeder_company_id) REFERENCES breeder_company (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE genetic_line_catalog ADD CONSTRAINT genetic_line_catalog_tenant_id_species_id_fkey FOREIGN KEY (tenant_id, species_id) REFERENCES species_catalog (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE standard_rows ADD CONSTRAINT standard_rows_tenant_id_set_id_fkey FOREIGN KEY (tenant_id, set_id) REFERENCES standard_sets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE standard_row_metrics ADD CONSTRAINT standard_row_metrics_tenant_id_row_id_fkey FOREIGN KEY (tenant_id, row_id) REFERENCES standard_rows (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE import_jobs ADD CONSTRAINT import_jobs_tenant_id_set_id_fkey FOREIGN KEY (tenant_id, set_id) REFERENCES standard_sets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE import_job_errors ADD CONSTRAINT import_job_errors_tenant_id_job_id_fkey FOREIGN KEY (tenant_id, job_id) REFERENCES import_jobs (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE weight_sessions ADD CONSTRAINT weight_sessions_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE weight_sessions ADD CONSTRAINT weight_sessions_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE session_weights ADD CONSTRAINT session_weights_tenant_id_weight_session_id_fkey FOREIGN KEY (tenant_id, weight_session_id) REFERENCES weight_sessions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE session_media_bindings ADD CONSTRAINT session_media_bindings_tenant_id_weight_session_id_fkey FOREIGN KEY (tenant_id, weight_session_id) REFERENCES weight_sessions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_mortality_event ADD CONSTRAINT barn_mortality_event_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_mortality_event ADD CONSTRAINT barn_mortality_event_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_mortality_event ADD CONSTRAINT barn_mortality_event_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_cull_event ADD CONSTRAINT barn_cull_event_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_cull_event ADD CONSTRAINT barn_cull_event_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_cull_event ADD CONSTRAINT barn_cull_event_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_morbidity_event ADD CONSTRAINT barn_morbidity_event_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_morbidity_event ADD CONSTRAINT barn_morbidity_event_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_morbidity_event ADD CONSTRAINT barn_morbidity_event_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_vaccine_event ADD CONSTRAINT barn_vaccine_event_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_vaccine_event ADD CONSTRAINT barn_vaccine_event_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_vaccine_event ADD CONSTRAINT barn_vaccine_event_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_treatment_event ADD CONSTRAINT barn_treatment_event_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_treatment_event ADD CONSTRAINT barn_treatment_event_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_treatment_event ADD CONSTRAINT barn_treatment_event_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_welfare_check ADD CONSTRAINT barn_welfare_check_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_welfare_check ADD CONSTRAINT barn_welfare_check_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_welfare_check ADD CONSTRAINT barn_welfare_check_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_housing_condition ADD CONSTRAINT barn_housing_condition_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_housing_condition ADD CONSTRAINT barn_housing_condition_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_daily_count ADD CONSTRAINT barn_daily_count_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_daily_count ADD CONSTRAINT barn_daily_count_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_daily_count ADD CONSTRAINT barn_daily_count_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_log_page ADD CONSTRAINT barn_log_page_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_log_page ADD CONSTRAINT barn_log_page_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_genetic_profile ADD CONSTRAINT barn_genetic_profile_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_genetic_profile ADD CONSTRAINT barn_genetic_profile_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_genetic_profile ADD CONSTRAINT barn_genetic_profile_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_stock ADD CONSTRAINT barn_stock_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE barn_stock ADD CONSTRAINT barn_stock_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_lot ADD CONSTRAINT feed_lot_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_lot ADD CONSTRAINT feed_lot_tenant_id_feed_formula_id_fkey FOREIGN KEY (tenant_id, feed_formula_id) REFERENCES feed_formula (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_delivery ADD CONSTRAINT feed_delivery_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_delivery ADD CONSTRAINT feed_delivery_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_delivery ADD CONSTRAINT feed_delivery_tenant_id_feed_lot_id_fkey FOREIGN KEY (tenant_id, feed_lot_id) REFERENCES feed_lot (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_quality_result ADD CONSTRAINT feed_quality_result_tenant_id_feed_lot_id_fkey FOREIGN KEY (tenant_id, feed_lot_id) REFERENCES feed_lot (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_intake_record ADD CONSTRAINT feed_intake_record_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_intake_record ADD CONSTRAINT feed_intake_record_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_intake_record ADD CONSTRAINT feed_intake_record_tenant_id_batch_id_fkey FOREIGN KEY (tenant_id, batch_id) REFERENCES batches (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_program ADD CONSTRAINT feed_program_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_program ADD CONSTRAINT feed_program_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_inventory_snapshot ADD CONSTRAINT feed_inventory_snapshot_tenant_id_farm_id_fkey FOREIGN KEY (tenant_id, farm_id) REFERENCES farms (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_inventory_snapshot ADD CONSTRAINT feed_inventory_snapshot_tenant_id_barn_id_fkey FOREIGN KEY (tenant_id, barn_id) REFERENCES barns (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE feed_inventory_snapshot ADD CONSTRAINT feed_inventory_snapshot_tenant_id_feed_lot_id_fkey FOREIGN KEY (tenant_id, feed_lot_id) REFERENCES feed_lot (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE notification_targets ADD CONSTRAINT notification_targets_tenant_id_notification_id_fkey FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE notification_delivery_attempts ADD CONSTRAINT notification_delivery_attempts_tenant_id_notification_id_fkey FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications (tenant_id, id) DEFERRABLE INITIALLY DEFERRED;
`,
};
