import { setTimeout } from "node:timers/promises";
import type { Random } from "../../simulator/random.ts";
import { ChildProgram } from "../child-program.ts";
import { until } from "../until.ts";

/** How a program is started and watched. */
export interface KilledProgram {
  readonly args: readonly string[];
  /** Grows while the program works; asked again and again. */
  readonly progress: () => number | Promise<number>;
  /** Called before each kill, and when the program said that it is ready. */
  readonly onEnd?: () => void;
  readonly onReady?: () => void;
}

/** What came of killing a program. It runs when the kills are over. */
export interface Kills {
  readonly kills: number;
  /** Of them those that came before it had done anything since its start. */
  readonly whileStarting: number;
  readonly running: ChildProgram;
}

/** The share of kills that come while the program starts, which is where it recovers from the kill before. */
const WHILE_STARTING = 0.4;
/** Others come within so long after it has begun to work, most of them soon; the other program needs some that are longer, to get on as well. */
const AT_WORK_MS = 300;
const LONG_AT_WORK_MS = 5_000;
const LONG_AT_WORK = 0.25;
const WORK_MS_MAX = 600_000;

/**
 * Starts a program and ends it by SIGKILL at a random instant, again and again. Throws with its output when it ends by itself or does nothing, and when the signal says
 * so; nothing runs then.
 */
export async function killAgainAndAgain(
  killed: KilledProgram,
  kills: number,
  random: Random,
  signal: AbortSignal,
): Promise<Kills> {
  let whileStarting = 0;
  let startMs = 500;
  for (let kill = 0; ; kill += 1) {
    const before = await killed.progress();
    const startedAtMs = performance.now();
    const program = new ChildProgram(killed.args);
    program.onPrinted("ready\n", () => killed.onReady?.());
    const isAtWork = async (): Promise<boolean> => {
      signal.throwIfAborted();
      program.check();
      return (await killed.progress()) > before;
    };
    try {
      if (kill > 0 && kill < kills && random.chance(WHILE_STARTING)) await setTimeout(random.next() * startMs);
      else {
        await until("the program works", isAtWork, WORK_MS_MAX);
        startMs = performance.now() - startedAtMs;
        if (kill === kills) return { kills, whileStarting, running: program };
        await setTimeout(random.next() * (random.chance(LONG_AT_WORK) ? LONG_AT_WORK_MS : AT_WORK_MS));
      }
      if (!(await isAtWork())) whileStarting += 1;
    } catch (error) {
      await program.end("SIGKILL");
      throw new Error(`kill ${String(kill)}; it printed: ${program.output}`, { cause: error });
    }
    killed.onEnd?.();
    await program.end("SIGKILL");
  }
}
