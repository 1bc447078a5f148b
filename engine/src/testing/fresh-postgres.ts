import pg from "pg";
import { inject } from "vitest";
import type { Database } from "../store/database.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";
import type { Preparation } from "./preparation.ts";
import { rememberDatabase, resetDatabase } from "./reset-database.ts";

let count = 0;

/** Connection strings of prepared databases that no test uses, by the preparation's key. */
const idle = new Map<string, string[]>();
const idleMax = 6;

/** A new database on the run's shared Postgres server, empty or as prepared; closing it drops it, or hands it to the next test. */
export async function freshPostgres(preparation?: Preparation): Promise<Database> {
  if (preparation === undefined) return await openOwn(await freshPostgresUrl(), dropPostgres);
  const reused = await takeIdle(preparation.key);
  if (reused !== null) return reused;
  const database = await openOwn(await freshPostgresUrl(), async (url) => await putAside(preparation.key, url));
  await preparation.prepare(database);
  await rememberDatabase(database);
  return database;
}

/** `afterwards` is called when the database was closed. */
async function openOwn(connectionString: string, afterwards: (url: string) => Promise<void>): Promise<Database> {
  const database = await openPostgresDatabase({ connectionString, poolMax: 5 });
  const close = database.close.bind(database);
  database.close = async () => {
    await close();
    await afterwards(connectionString);
  };
  return database;
}

async function takeIdle(key: string): Promise<Database | null> {
  const connectionString = idle.get(key)?.pop();
  if (connectionString === undefined) return null;
  let usable = true;
  const database = await openOwn(connectionString, async (url) => await (usable ? putAside(key, url) : dropPostgres(url)));
  try {
    await resetDatabase(database);
    return database;
  } catch {
    usable = false;
    await database.close();
    return await takeIdle(key);
  }
}

async function putAside(key: string, connectionString: string): Promise<void> {
  const kept = idle.get(key) ?? [];
  if (kept.length >= idleMax) await dropPostgres(connectionString);
  else idle.set(key, [...kept, connectionString]);
}

/** Of this process, by the preparation's key: one database each that stays as it was prepared. */
const templates = new Map<string, Promise<string>>();

/** The connection string of a new database as prepared; `dropPostgres` removes it. */
export async function preparedPostgresUrl(preparation: Preparation): Promise<string> {
  let template = templates.get(preparation.key);
  if (template === undefined) {
    template = makeTemplate(preparation);
    templates.set(preparation.key, template);
  }
  return await freshPostgresUrl(await template);
}

async function makeTemplate({ prepare }: Preparation): Promise<string> {
  const connectionString = await freshPostgresUrl();
  const database = await openPostgresDatabase({ connectionString, poolMax: 1 });
  try {
    await prepare(database);
  } finally {
    await database.close();
  }
  return connectionString;
}

/**
 * The connection string of a new database, empty or a copy of the one at `template`, to which nobody may be connected; `dropPostgres`
 * removes it.
 */
export async function freshPostgresUrl(template: string | null = null): Promise<string> {
  count += 1;
  const url = new URL(inject("hayloftPostgres"));
  url.pathname = `/test_${process.pid}_${count}`;
  const source = template === null ? "" : ` template ${new URL(template).pathname.slice(1)}`;
  // Files are copied in a third of the time that it takes to log each of their pages.
  await onServer(`create database ${url.pathname.slice(1)}${source} strategy file_copy`);
  return url.href;
}

/** Removes a database made by `freshPostgresUrl`, closing connections that are still open. */
export async function dropPostgres(connectionString: string): Promise<void> {
  await onServer(`drop database if exists ${new URL(connectionString).pathname.slice(1)} with (force)`);
}

let admin: Promise<pg.Client> | null = null;

/** On one connection of this process, as a new one takes longer than what is done on it; it keeps no process from ending. */
async function onServer(sql: string): Promise<void> {
  admin ??= connectAdmin();
  const client = await admin;
  await client.query(sql);
}

async function connectAdmin(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: inject("hayloftPostgres") });
  const forget = (): void => {
    admin = null;
  };
  client.once("error", forget);
  client.once("end", forget);
  await client.connect().catch((error: unknown) => {
    forget();
    throw error;
  });
  // Not among its types.
  (client as pg.Client & { unref(): void }).unref();
  return client;
}
