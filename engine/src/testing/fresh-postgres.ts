import pg from "pg";
import { inject } from "vitest";
import type { Database } from "../store/database.ts";
import { openPostgresDatabase } from "../store/postgres/open-postgres-database.ts";

let count = 0;

/** A new, empty database on the run's shared Postgres server; closing it drops it. */
export async function freshPostgres(): Promise<Database> {
  const connectionString = await freshPostgresUrl();
  const database = await openPostgresDatabase({ connectionString, poolMax: 5 });
  const close = database.close.bind(database);
  database.close = async () => {
    await close();
    await dropPostgres(connectionString);
  };
  return database;
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
  await onServer(`create database ${url.pathname.slice(1)}${source}`);
  return url.href;
}

/** Removes a database made by `freshPostgresUrl`, closing connections that are still open. */
export async function dropPostgres(connectionString: string): Promise<void> {
  await onServer(`drop database if exists ${new URL(connectionString).pathname.slice(1)} with (force)`);
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject("hayloftPostgres") });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
