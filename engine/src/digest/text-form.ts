import { setTextForm } from "../apply/apply-environment.ts";
import type { Database, SqlSession } from "../store/database.ts";

const SETTINGS = ["TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output"] as const;

const isDatabase = (session: SqlSession | Database): session is Database => "transaction" in session;

/**
 * Runs `work` where values have their canonical text form: for a database in a read-only transaction with one snapshot, for
 * a transaction in it, with its settings put back afterwards.
 */
export async function inTextForm<T>(session: SqlSession | Database, work: (session: SqlSession) => Promise<T>): Promise<T> {
  if (isDatabase(session)) {
    return await session.transaction(
      async (tx) => {
        await setTextForm(tx);
        return await work(tx);
      },
      { isolation: "repeatable read", readOnly: true },
    );
  }
  const columns = SETTINGS.map((name) => `current_setting('${name}') as "${name}"`).join(", ");
  const { rows } = await session.query<Readonly<Record<string, string>>>(`select ${columns}`);
  await setTextForm(session);
  const result = await work(session);
  const before = rows[0] ?? {};
  await session.query(
    `select ${SETTINGS.map((name, index) => `set_config('${name}', $${String(index + 1)}, true)`).join(", ")}`,
    SETTINGS.map((name) => before[name] ?? ""),
  );
  return result;
}
