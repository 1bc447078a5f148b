import { defineConfig } from "vitest/config";
import { bounds, everything, shared } from "./vitest.config.js";

/** What depends on the database's release: the store, capture, apply, snapshots, migrations, and the farm's schema and views. */
const dependsOnPostgres = [
  "engine/dist/apply/{apply-slice,refusals}.test.js",
  "engine/dist/{migrate,snapshot,sql}/*.test.js",
  "engine/dist/catalog/derived-id.test.js",
  "engine/dist/store/*.test.js",
  "engine/dist/store/postgres/postgres-*.test.js",
  "schema/dist/migrations/*.test.js",
];

const older = (release) => ({
  extends: true,
  test: { ...shared, name: `postgres-${release}`, include: dependsOnPostgres, provide: { hayloftOlderPostgres: release } },
});

// What `npm test` runs: everything, and what depends on the release again on each older one, with a server of its own.
export default defineConfig({
  test: {
    ...bounds,
    projects: [{ extends: true, test: { ...everything, name: "all" } }, ...["15", "16", "17"].map(older)],
  },
});
