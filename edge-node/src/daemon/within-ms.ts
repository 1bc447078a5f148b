import { HayloftError } from "@hayloft/engine";

export type Within<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Waits for a promise, but not longer than `limitMs`. Never throws; the promise itself goes on. */
export async function withinMs<T>(limitMs: number, promise: Promise<T>): Promise<Within<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Within<T>>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, problem: `no answer within ${limitMs} ms` }), limitMs);
  });
  const answered = promise.then(
    (value): Within<T> => ({ ok: true, value }),
    (error: unknown): Within<T> => ({ ok: false, problem: error instanceof HayloftError ? error.code : "failed" }),
  );
  const result = await Promise.race([answered, late]);
  clearTimeout(timer);
  return result;
}
