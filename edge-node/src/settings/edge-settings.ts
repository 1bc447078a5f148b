import type { SettingValues } from "@hayloft/engine";
import { defineSettings } from "@hayloft/engine";

/**
 * Every setting of the edge daemon. Flags, environment names, keys of the configuration file, `--help` and checks follow
 * from this list; each key is read in one place, and a test holds us to that.
 */
export const edgeSettings = defineSettings("HAYLOFT_EDGE", {
  mode: {
    type: "choice",
    choices: ["connected", "standalone"],
    default: "connected",
    about: "connected: replicates with a hub. standalone: runs without one, which has to be said explicitly.",
  },
  data_dir: {
    type: "path",
    default: null,
    required: true,
    about: "Directory of the database and the node's identity. One daemon at a time may use it.",
  },
  hub_url: {
    type: "url",
    schemes: ["https", "http"],
    default: null,
    about: "Address of the hub. Default: the one the node was enrolled at.",
  },
  hub_ca_file: { type: "path", default: null, about: "PEM file with the authority that signed the hub's certificate." },
  "hub.reconnect_min_ms": {
    type: "integer",
    default: 500,
    min: 1,
    max: 60_000,
    about: "Longest pause before the first new attempt to reach the hub; it doubles with each attempt.",
  },
  "hub.reconnect_max_ms": {
    type: "integer",
    default: 60_000,
    min: 1,
    max: 3_600_000,
    about: "Longest pause between two attempts to reach the hub.",
  },
  "verify.interval_minutes": {
    type: "integer",
    default: 360,
    min: 0,
    max: 43_200,
    about: "Minutes between two comparisons of all rows with the hub's; 0 compares only when asked to.",
  },
  "verify.share_percent": {
    type: "number",
    default: 5,
    min: 0.1,
    max: 100,
    about: "Part of the time in per cent that a comparison may take.",
  },
  tenant_id: {
    type: "text",
    default: null,
    lengthMax: 128,
    about: "Tenant of a standalone node. For an enrolled node it comes with the enrolment and must agree.",
  },
  insecure: {
    type: "boolean",
    default: false,
    about: "Allows plain ws, http and mqtt beyond this machine, and anonymous devices. For development only.",
  },

  "mqtt.url": {
    type: "url",
    schemes: ["mqtt", "mqtts"],
    default: null,
    about: "External MQTT broker. Without it the daemon runs its own.",
  },
  "mqtt.client_id": {
    type: "text",
    default: null,
    lengthMax: 128,
    about: "Client id at the external broker. Default: the node id.",
  },
  "mqtt.username": { type: "text", default: null, lengthMax: 256, about: "User name at the external broker." },
  "mqtt.password_file": { type: "secretFile", default: null, about: "File with the password for the external broker." },
  "mqtt.ca_file": {
    type: "path",
    default: null,
    about: "PEM file with the authority that signed the external broker's certificate.",
  },

  "broker.host": { type: "text", default: "127.0.0.1", lengthMax: 256, about: "Address on which the own broker listens." },
  "broker.port": { type: "integer", default: 1883, min: 0, max: 65_535, about: "Port of the own broker; 0 takes a free one." },
  "broker.tls_cert_file": { type: "path", default: null, about: "PEM certificate chain of the own broker." },
  "broker.tls_key_file": { type: "secretFile", default: null, about: "PEM private key of the own broker." },
  "broker.accounts_file": {
    type: "secretFile",
    default: null,
    about: "YAML list of device accounts of the own broker (see the manual). Without it only anonymous devices can connect.",
  },
  "broker.anonymous": {
    type: "boolean",
    default: false,
    about: "Lets devices connect without an account; beyond this machine only together with insecure.",
  },
  "broker.connections_max": {
    type: "integer",
    default: 500,
    min: 1,
    max: 10_000,
    about: "Connections the own broker takes at a time.",
  },

  "ingress.dedupe_ttl_hours": {
    type: "integer",
    default: 72,
    min: 24,
    max: 72,
    about:
      "Hours a message's event id is remembered. Devices buffer up to 72 hours, so less means more work for the unique keys.",
  },
  "ingress.past_hours_max": {
    type: "integer",
    default: 96,
    min: 1,
    max: 8760,
    about: "Age in hours above which a message is refused.",
  },
  "ingress.future_hours_max": {
    type: "number",
    default: 1,
    min: 0,
    max: 24,
    about: "Hours a message's time may lie ahead of this machine's clock.",
  },
  "ingress.message_bytes_max": {
    type: "integer",
    default: 65_536,
    min: 1024,
    max: 1_048_576,
    about: "Largest message accepted, in bytes.",
  },
  "ingress.batch_messages_max": {
    type: "integer",
    default: 500,
    min: 1,
    max: 5000,
    about: "Messages committed in one transaction.",
  },
  "ingress.batch_bytes_max": {
    type: "integer",
    default: 1_048_576,
    min: 1024,
    max: 16_777_216,
    about: "Payload bytes committed in one transaction.",
  },
  "ingress.batch_delay_ms": {
    type: "integer",
    default: 3,
    min: 0,
    max: 1000,
    about: "Milliseconds the first message of a transaction waits for company.",
  },
  "ingress.pending_messages_max": {
    type: "integer",
    default: 20_000,
    min: 1,
    max: 1_000_000,
    about: "Messages that may wait for their commit; above it devices are told to come back.",
  },
  "ingress.refused_rows_max": {
    type: "integer",
    default: 10_000,
    min: 100,
    max: 1_000_000,
    about: "Refused messages kept for inspection; the oldest are dropped.",
  },

  "children.listen": {
    type: "boolean",
    default: false,
    about: "Accepts tablets and other replicas as children, on the HTTP port at /sync.",
  },
  "children.origins": {
    type: "list",
    default: [],
    itemsMax: 100,
    about: "Origins whose pages may sync from a browser, for example https://app.example.org. Nodes need none.",
  },

  "media.upload_bytes_max": {
    type: "integer",
    default: 10_485_760,
    min: 65_536,
    max: 10_485_760,
    about: "Largest image accepted, in bytes.",
  },
  "media.uploads_per_minute": {
    type: "integer",
    default: 60,
    min: 1,
    max: 10_000,
    about: "Images that one device may begin to upload in a minute.",
  },
  "media.disk_free_mb_min": {
    type: "integer",
    default: 1024,
    min: 0,
    max: 1_000_000,
    about: "With less than this many megabytes free on the disk no more images are taken; nothing is deleted for it.",
  },
  "media.thumbnail_px": {
    type: "integer",
    default: 320,
    min: 64,
    max: 640,
    about: "Longer side of the small picture made of each image.",
  },
  "media.preview_px": {
    type: "integer",
    default: 1280,
    min: 640,
    max: 2560,
    about: "Longer side of the middle picture made of each image.",
  },
  "media.upload_kbps": {
    type: "integer",
    default: 0,
    min: 0,
    max: 1_000_000,
    about: "Kilobits a second that images on their way to the hub may take; 0 is no limit. Rows go before images in any case.",
  },

  "image.wait_seconds": {
    type: "integer",
    default: 300,
    min: 0,
    max: 86_400,
    about: "How long a node whose database is empty waits for the one that the hub has prepared for it; 0 takes none.",
  },

  "retention.acked_change_days": {
    type: "integer",
    default: 30,
    min: 7,
    max: 30,
    about: "Days that commits are kept after the hub has acknowledged them.",
  },

  "backup.directory": {
    type: "path",
    default: null,
    about: "Directory for backups of this node, best on another disk. Without it none are made by themselves.",
  },
  "backup.key_file": {
    type: "secretFile",
    default: null,
    about:
      "File with age recipients (age1…), enough to make backups, or with the age secret key that opens them, too; hayloft-edge backup make-key makes one.",
  },
  "backup.every_minutes": {
    type: "integer",
    default: 60,
    min: 1,
    max: 10_080,
    about: "Minutes from one backup to the next.",
  },
  "backup.unsent_minutes": {
    type: "integer",
    default: 5,
    min: 1,
    max: 10_080,
    about: "The same while something waits for the hub for longer than so many minutes, because then it exists nowhere else.",
  },
  "backup.keep": { type: "integer", default: 24, min: 1, max: 10_000, about: "Backups kept; older ones are removed." },
  "backup.media": {
    type: "boolean",
    default: false,
    about: "Puts the bytes of images into each backup. Without them a restored node asks the hub, and shows the rest as missing.",
  },
  "backup.digests": {
    type: "boolean",
    default: false,
    about: "Takes sums of all tables with each backup made by itself; messages wait about half a minute a million rows.",
  },

  "http.host": {
    type: "text",
    default: "127.0.0.1",
    lengthMax: 256,
    about: "Address of health, metrics, status page and children.",
  },
  "http.port": { type: "integer", default: 5100, min: 0, max: 65_535, about: "Port for it; 0 takes a free one." },
  "http.tls_cert_file": { type: "path", default: null, about: "PEM certificate chain for the HTTP port." },
  "http.tls_key_file": { type: "secretFile", default: null, about: "PEM private key for the HTTP port." },
  "http.admin_token_file": {
    type: "secretFile",
    default: null,
    about: "File with the token that requests which change something must carry. Without it they are refused.",
  },
  "log.level": {
    type: "choice",
    choices: ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    default: "info",
    about: "Least severe events that are logged.",
  },
});

/** The daemon's settings after loading: the key of the configuration file → its checked value. */
export type EdgeConfig = SettingValues<typeof edgeSettings.settings>;
