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
  const step = (): void => {
    count += 1;
    if (count === statement) throw new CrashError();
  };
  const failing = (tx: SqlSession): SqlSession => ({
    query: async (sql, parameters) => {
      step();
      return await tx.query(sql, parameters);
    },
    script: async (sql) => {
      step();
      await tx.script(sql);
    },
  });
  return {
    dialect: database.dialect,
    durability: database.durability,
    query: async (sql, parameters) => await database.query(sql, parameters),
    script: async (sql) => await database.script(sql),
    transaction: async <T>(work: (tx: SqlSession) => Promise<T>, options?: TransactionOptions) => {
      const done = await database.transaction(async (tx) => {
        const result = await work(failing(tx));
        if (statement === "atCommit") throw new CrashError();
        return result;
      }, options);
      if (statement === "afterCommit") throw new CrashError();
      return done;
    },
    onWrite: (listener) => database.onWrite(listener),
    close: async () => await database.close(),
  };
}
