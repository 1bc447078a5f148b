import type { SqlSession } from "../store/database.ts";

/** By how much our clock was ahead of the parent's when it was last measured, also before a restart; 0 when it was not. */
export async function clockAheadMs(session: SqlSession): Promise<number> {
  const { rows } = await session.query<{ ahead: number }>("select clock_ahead_ms as ahead from hayloft.replica");
  return rows[0]?.ahead ?? 0;
}
