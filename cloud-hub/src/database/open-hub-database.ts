import type { Database } from "@hayloft/engine";
import { openPostgresDatabase } from "@hayloft/engine/postgres";
import type { HubSettings } from "../config/hub-settings.ts";
import { readSecret, readText } from "../config/load-hub-settings.ts";
import { openEmbeddedDatabase } from "./embedded-database.ts";

export interface HubDatabase {
  readonly database: Database;
  /** With its password: never log it. */
  readonly connectionString: string;
  readonly embedded: boolean;
  /** Resolves when an embedded server of this process has ended; null for any other server, which may come back. */
  readonly ended: Promise<void> | null;
  /** Closes the pool, and stops the embedded server when this process started it. */
  close(): Promise<void>;
}

/** Who waits for a tenant's log longer gives its connection back and tries again later, or all of them would wait for one tenant. */
const LOCK_TIMEOUT_MS = 5_000;

export interface OpenHubDatabaseOptions {
  /** Replaces `database.url`; may hold a password. For programs that embed the hub. */
  readonly connectionString?: string;
  /** Commands may use the embedded server of a running hub; a second hub may not. */
  readonly attach: boolean;
  readonly applicationName: string;
}

/** Opens the database that the settings name, or the embedded one. */
export async function openHubDatabase(settings: HubSettings, options: OpenHubDatabaseOptions): Promise<HubDatabase> {
  const external = options.connectionString ?? externalUrl(settings);
  const embedded =
    external === null
      ? await openEmbeddedDatabase({
          dataDir: settings.data_dir,
          port: settings["database.embedded_port"],
          attach: options.attach,
        })
      : null;
  const connectionString = external ?? embedded?.connectionString ?? "";
  try {
    const database = await openPostgresDatabase({
      connectionString,
      poolMax: settings["database.pool_max"],
      applicationName: options.applicationName,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      ...(external === null || options.connectionString !== undefined ? {} : tlsOf(settings)),
    });
    return {
      database,
      connectionString,
      embedded: embedded !== null,
      ended: embedded?.ended ?? null,
      close: async () => {
        await database.close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

function externalUrl(settings: HubSettings): string | null {
  const given = settings["database.url"];
  if (given === null) return null;
  const file = settings["database.password_file"];
  if (file === null) return given;
  const url = new URL(given);
  url.password = encodeURIComponent(readSecret("database.password_file", file));
  return url.href;
}

function tlsOf(settings: HubSettings): {
  readonly ssl: boolean | { readonly ca?: string; readonly rejectUnauthorized: boolean };
} {
  if (settings["database.tls"] === "off") return { ssl: false };
  const file = settings["database.ca_file"];
  const ca = file === null ? {} : { ca: readText("database.ca_file", file) };
  return { ssl: { ...ca, rejectUnauthorized: settings["database.tls"] === "on" } };
}
