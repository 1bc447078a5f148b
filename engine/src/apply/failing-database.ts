import type { Database, SqlSession, TransactionOptions } from "../store/database.ts";

/** What a failing database throws in the place of a statement. */
export class CrashError extends Error {
  constructor() {
    super("the process died here");
    this.name = "CrashError";
  }
}

/**
 * The database, with a crash in the place of one statement of its next transaction: the statement with the given number,
 * counted from 1. `atCommit` crashes after the last statement instead, and `afterCommit` when all of it is done and nobody has heard.
 */
export function failingDatabase(database: Database, statement: number | "atCommit" | "afterCommit"): Database {
  let count = 0;
  const steps = stepwiseDatabase(database, async () => {
    count += 1;
    if (count === statement) throw new CrashError();
  });
  const transaction = async <T>(work: (tx: SqlSession) => Promise<T>, options?: TransactionOptions): Promise<T> => {
    const done = await steps.transaction(async (tx) => {
      const result = await work(tx);
      if (statement === "atCommit") throw new CrashError();
      return result;
    }, options);
    if (statement === "afterCommit") throw new CrashError();
    return done;
  };
  return { ...steps, transaction };
}

/** The database, with `before` in front of each statement of its transactions. */
export function stepwiseDatabase(database: Database, before: (sql: string) => Promise<void>): Database {
  const stepwise = (tx: SqlSession): SqlSession => ({
    query: async (sql, parameters) => {
      await before(sql);
      return await tx.query(sql, parameters);
    },
    script: async (sql) => {
      await before(sql);
      await tx.script(sql);
    },
  });
  return {
    dialect: database.dialect,
    durability: database.durability,
    query: async (sql, parameters) => await database.query(sql, parameters),
    script: async (sql) => await database.script(sql),
    transaction: async <T>(work: (tx: SqlSession) => Promise<T>, options?: TransactionOptions) =>
      await database.transaction(async (tx) => await work(stepwise(tx)), options),
    onWrite: (listener) => database.onWrite(listener),
    close: async () => await database.close(),
  };
}
