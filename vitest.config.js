import { defineConfig } from "vitest/config";

/** What depends on the database's release: the store, capture, apply, snapshots, migrations, and the farm's schema and views. */
const dependsOnPostgres = [
  "engine/dist/apply/{apply-slice,refusals}.test.js",
  "engine/dist/{migrate,snapshot,sql}/*.test.js",
  "engine/dist/catalog/derived-id.test.js",
  "engine/dist/store/*.test.js",
  "engine/dist/store/postgres/postgres-*.test.js",
  "schema/dist/migrations/*.test.js",
];

const project = (name, release, include) => ({
  extends: true,
  test: {
    name,
    include,
    exclude: ["**/node_modules/**", "**/dist/**/*.browser.test.js"],
    globalSetup: ["engine/dist/testing/shared-postgres.js"],
    provide: { hayloftOlderPostgres: release },
  },
});

// The tests run the compiled code: what is proven is what ships, worker threads and child processes included.
// All of them run on Postgres 18; the projects of older releases repeat those that depend on it, each on its own server.
export default defineConfig({
  test: {
    projects: [
      project("all", null, ["**/dist/**/*.test.js"]),
      ...["15", "16", "17"].map((release) => project(`postgres-${release}`, release, dependsOnPostgres)),
    ],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    restoreMocks: true,
  },
});
