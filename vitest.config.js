import { defineConfig } from "vitest/config";

// The tests run the compiled code: what is proven is what ships, worker threads and child processes included.
export default defineConfig({
  test: {
    include: ["**/dist/**/*.test.js"],
    exclude: ["**/node_modules/**", "**/dist/**/*.browser.test.js"],
    globalSetup: ["engine/dist/testing/shared-postgres.js"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    restoreMocks: true,
  },
});
