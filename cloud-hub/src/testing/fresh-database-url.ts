import { dropPostgres, freshPostgresUrl, type Preparation, preparedPostgresUrl } from "@hayloft/engine/testing";

/** A new database on the run's shared Postgres server, empty or as prepared, by its connection string. */
export async function freshDatabaseUrl(preparation?: Preparation): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const url = await (preparation === undefined ? freshPostgresUrl() : preparedPostgresUrl(preparation));
  return { url, drop: async () => await dropPostgres(url) };
}
