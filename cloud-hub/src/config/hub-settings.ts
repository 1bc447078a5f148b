import type { SettingValues } from "@hayloft/engine";
import { defineSettings } from "@hayloft/engine";

/** Every setting of the hub. Flags, environment names (`HAYLOFT_HUB_…`), file keys, help and checks follow from it. */
export const hubSettings = defineSettings("HAYLOFT_HUB", {
  data_dir: {
    type: "path",
    default: "hayloft-hub-data",
    about: "Directory of the embedded Postgres; not used with database.url.",
  },
  "database.url": {
    type: "url",
    default: null,
    schemes: ["postgres", "postgresql"],
    about: "An external Postgres 15 to 18, without a password. Without it the hub runs an embedded one.",
  },
  "database.password_file": { type: "secretFile", default: null, about: "File with the password for database.url." },
  "database.tls": {
    type: "choice",
    default: "off",
    choices: ["off", "on", "unverified"],
    about: "TLS to the external database: on checks the server's certificate, unverified does not.",
  },
  "database.ca_file": { type: "path", default: null, about: "Certificate authority of the database, PEM." },
  "database.pool_max": { type: "integer", default: 10, min: 2, max: 200, about: "Database connections of this process at most." },
  "database.embedded_port": {
    type: "integer",
    default: 0,
    min: 0,
    max: 65_535,
    about: "Port of the embedded Postgres; 0 takes a free one.",
  },
  "http.host": { type: "text", default: "127.0.0.1", about: "Address to listen on." },
  "http.port": { type: "integer", default: 5200, min: 0, max: 65_535, about: "Port for HTTP and sync; 0 takes a free one." },
  "http.tls_cert_file": { type: "path", default: null, about: "Certificate chain for TLS, PEM." },
  "http.tls_key_file": { type: "secretFile", default: null, about: "Private key of the certificate, PEM." },
  "http.insecure": { type: "boolean", default: false, about: "Serve without TLS on an address that is not loopback." },
  "http.public_url": {
    type: "url",
    default: null,
    schemes: ["http", "https"],
    about: "The address by which nodes reach this hub, when a proxy stands in front.",
  },
  "http.trusted_proxies": {
    type: "list",
    default: [],
    itemsMax: 64,
    about: "Proxies in front: addresses or networks (10.0.0.0/8) whose X-Forwarded-For names the caller for limits per address.",
  },
  "http.origins": {
    type: "list",
    default: [],
    itemsMax: 100,
    about: "Origins whose pages may sync from a browser, for example https://app.example.org. Nodes need none.",
  },
  "http.admin_token_file": {
    type: "secretFile",
    default: null,
    about: "File with the bearer token for /metrics and /api/v1/nodes. Without it they answer on loopback only.",
  },
  "enrol.attempts_per_minute": {
    type: "integer",
    default: 10,
    min: 1,
    max: 10_000,
    about: "Enrolment attempts per address and minute.",
  },
  identity_file: {
    type: "path",
    default: null,
    about: "Keep the hub's key in this file (mode 0600) and not in the database. Hubs on one database share one key.",
  },
  "shutdown.reconnect_after_ms": {
    type: "integer",
    default: 1_000,
    min: 0,
    max: 600_000,
    about: "How long nodes are asked to wait before they connect again after a shutdown.",
  },
  "shutdown.timeout_seconds": {
    type: "integer",
    default: 20,
    min: 1,
    max: 600,
    about: "How long a shutdown waits for sessions to end.",
  },
  "media.dir": {
    type: "path",
    default: null,
    about: "Directory of image bytes; hubs on one database share it. Default: media in data_dir.",
  },
  "watch.late_minutes": {
    type: "integer",
    default: 5,
    min: 1,
    max: 10_000,
    about: "A node without contact for so long is late.",
  },
  "watch.silent_minutes": {
    type: "integer",
    default: 60,
    min: 2,
    max: 100_000,
    about: "A node without contact for so long is silent.",
  },
  "watch.lost_minutes": {
    type: "integer",
    default: 1_440,
    min: 3,
    max: 1_000_000,
    about: "A node without contact for so long is lost.",
  },
  "maintenance.interval_minutes": {
    type: "integer",
    default: 60,
    min: 1,
    max: 10_080,
    about: "How often partitions are made and the log is pruned.",
  },
  "maintenance.partitions_ahead_months": {
    type: "integer",
    default: 3,
    min: 1,
    max: 24,
    about: "Months of empty partitions kept ready.",
  },
  "retention.acked_change_days": {
    type: "integer",
    default: 30,
    min: 1,
    max: 3_650,
    about: "How long commits that every node has are kept in the log.",
  },
  "log.level": {
    type: "choice",
    default: "info",
    choices: ["debug", "info", "warn", "error", "silent"],
    about: "Least level that is logged.",
  },
});

export type HubSettings = SettingValues<(typeof hubSettings)["settings"]>;
