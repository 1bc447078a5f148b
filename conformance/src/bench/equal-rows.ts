import { catalog, type Database, digestTables } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { TENANT } from "./replica-pair.ts";

const telemetry = catalog({ ...farmCatalog, tables: farmCatalog.tables.filter(({ name }) => name === "telemetry_raw") });

/** Ends the run when the two tables differ: a figure counts only when the same rows are on both sides. */
export const assertEqualRows = async (left: Database, right: Database): Promise<void> => {
  const [one] = await digestTables(left, telemetry, TENANT);
  const [two] = await digestTables(right, telemetry, TENANT);
  if (one === undefined || one.rows === 0 || one.rows !== two?.rows || one.digest !== two.digest) {
    throw new Error(`the two sides differ: ${one?.rows ?? 0} rows and ${two?.rows ?? 0} rows`);
  }
};
