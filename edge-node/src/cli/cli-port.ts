/** What commands touch outside themselves; tests replace it. */
export interface CliPort {
  readonly env: Readonly<Record<string, string | undefined>>;
  print(text: string): void;
  printError(text: string): void;
  /** Everything on standard input. */
  readInput(): Promise<string>;
  /** Resolves with the signal's name when the process is asked to end. */
  untilSignal(): Promise<string>;
}

/** 0 done, 1 failed, 2 wrong usage or configuration, 3 the daemon runs and is not ready. */
export const exitCodes = { done: 0, failed: 1, usage: 2, notReady: 3 } as const;
