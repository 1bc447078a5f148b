import type { Database, SqlSession } from "@hayloft/engine";
import { captureDdl } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";

const limits = { rowsMax: 1_000_000, bytesMax: 268_435_456 };

/** Lets a database write, for once, what only another tier may: its own guards are off, its changes are captured and sent. */
export async function writeAs(
  database: Database,
  own: string,
  other: string,
  work: (tx: SqlSession) => Promise<void>,
): Promise<void> {
  await database.script(captureDdl(farmCatalog, other, limits));
  try {
    await database.transaction(work);
  } finally {
    await database.script(captureDdl(farmCatalog, own, limits));
  }
}
