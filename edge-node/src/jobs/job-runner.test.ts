import { expect, it } from "vitest";
import { SettableClock } from "../testing/barn-fixture.ts";
import type { Job } from "./job-runner.ts";
import { JobRunner } from "./job-runner.ts";

const MINUTE_MS = 60_000;

it("runs each job when it is due, again soon while more waits, and tries a failed one again", async () => {
  const clock = new SettableClock(0);
  const runs: string[] = [];
  const errors: string[] = [];
  let waiting = 2;
  const jobs: readonly Job[] = [
    {
      name: "chunks",
      everyMs: 10 * MINUTE_MS,
      run: () => {
        runs.push("chunks");
        waiting--;
        return Promise.resolve({ done: 5, more: waiting > 0 });
      },
    },
    {
      name: "breaks",
      everyMs: 10 * MINUTE_MS,
      run: () => {
        runs.push("breaks");
        return runs.length < 3 ? Promise.reject(new Error("once")) : Promise.resolve({ done: 1, more: false });
      },
    },
  ];
  const runner = new JobRunner(clock, jobs, (job) => errors.push(job));
  await runner.runDue();
  expect([runs, errors]).toEqual([["chunks", "breaks"], ["breaks"]]);
  clock.advance(1000);
  await runner.runDue();
  expect(runs).toEqual(["chunks", "breaks", "chunks"]);
  clock.advance(5000);
  await runner.runDue();
  expect(runs).toEqual(["chunks", "breaks", "chunks", "breaks"]);
  clock.advance(9 * MINUTE_MS);
  await runner.runDue();
  expect(runs).toHaveLength(4);
  expect(runner.states).toMatchObject([
    { name: "chunks", runs: 2, failures: 0, done: 10, lastError: null },
    { name: "breaks", runs: 2, failures: 1, done: 1, lastError: null },
  ]);
  await runner.stop();
  clock.advance(60 * MINUTE_MS);
  await runner.runDue();
  expect(runs).toHaveLength(4);
});
