import { openPostgresDatabase } from "@hayloft/engine/postgres";
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of the server that all tests of the run share; the engine's test setup provides it. */
    hayloftPostgres: string;
  }
}

let count = 0;

/** A new, empty database on the run's shared Postgres server, by its connection string. */
export async function freshDatabaseUrl(): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const server = inject("hayloftPostgres");
  count += 1;
  const name = `hub_${process.pid}_${count}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: async () => await onServer(server, `drop database if exists ${name} with (force)`) };
}

async function onServer(connectionString: string, sql: string): Promise<void> {
  const database = await openPostgresDatabase({ connectionString, poolMax: 1 });
  try {
    await database.query(sql);
  } finally {
    await database.close();
  }
}
