import { sqlstateOf } from "./sql-error.ts";

const attemptsMax = 5;
const retriedStates: ReadonlySet<string> = new Set(["40001", "40P01"]);

/** Runs `attempt` again after serialization failures and deadlocks, up to 5 retries with jittered, growing pauses. */
export async function retrySerialization<T>(attempt: () => Promise<T>): Promise<T> {
  for (let retry = 0; ; retry += 1) {
    try {
      return await attempt();
    } catch (error) {
      const sqlstate = sqlstateOf(error);
      if (sqlstate === null || !retriedStates.has(sqlstate) || retry >= attemptsMax) throw error;
      const pauseMs = Math.random() * 10 * 2 ** retry;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
