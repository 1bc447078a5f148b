/** Waits until `condition` holds, looking again every `everyMs`; throws after `withinMs` with what was waited for. */
export const until = async (what: string, withinMs: number, condition: () => Promise<boolean>, everyMs = 100): Promise<void> => {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
};
