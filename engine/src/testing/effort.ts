/**
 * How often a test that repeats itself does so: `count` times, as fits a run of all tests, or that times HAYLOFT_EFFORT.
 */
export function effort(count: number): number {
  const factor = Number(process.env["HAYLOFT_EFFORT"] ?? "1");
  if (!(factor > 0)) throw new Error("HAYLOFT_EFFORT is a number above 0.");
  return Math.ceil(count * factor);
}
