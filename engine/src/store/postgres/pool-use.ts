import type pg from "pg";
import type { Database } from "../database.ts";

/** How much of a database's connection pool is in use. */
export interface PoolUse {
  /** Open connections. */
  readonly size: number;
  /** Those of them at work. */
  readonly inUse: number;
  /** Callers that wait for one. */
  readonly waiting: number;
  readonly max: number;
}

const pools = new WeakMap<Database, pg.Pool>();

/** Lets `poolUse` find the pool of a database. */
export function registerPool(database: Database, pool: pg.Pool): void {
  pools.set(database, pool);
}

/** The pool's figures at this moment, or null for a database that `openPostgresDatabase` did not open. */
export function poolUse(database: Database): PoolUse | null {
  const pool = pools.get(database);
  if (pool === undefined) return null;
  return { size: pool.totalCount, inUse: pool.totalCount - pool.idleCount, waiting: pool.waitingCount, max: pool.options.max };
}
