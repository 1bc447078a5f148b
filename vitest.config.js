import { defineConfig } from "vitest/config";

// The tests run the compiled code: what is proven is what ships, worker threads and child processes included.
export const shared = {
  exclude: ["**/node_modules/**", "**/dist/**/*.browser.test.js"],
  globalSetup: ["engine/dist/testing/test-places.js", "engine/dist/testing/shared-postgres.js"],
};

export const bounds = {
  pool: "forks",
  // Files follow each other in one process: the second finds PGlite compiled and optimised, which takes seconds of a processor.
  isolate: false,
  maxWorkers: 2,
  // Upper bounds for a machine that is busy with other things; what must be fast is measured by benchmarks.
  testTimeout: 180_000,
  hookTimeout: 180_000,
  expect: { poll: { timeout: 20_000 } },
  restoreMocks: true,
  // Node loads compiled code itself; only the test files go through Vite, which takes its time for each.
  server: { deps: { external: [/\/dist\/(?!.*\.test\.js$)/] } },
};

/** All tests, on PGlite and Postgres 18. `npm test` adds the older releases: `vitest.releases.config.js`. */
export const everything = { ...shared, include: ["**/dist/**/*.test.js"], provide: { hayloftOlderPostgres: null } };

export default defineConfig({ test: { ...bounds, ...everything } });
