import { defineConfig } from "vitest/config";
import { bounds, everything, shared } from "./vitest.config.js";

/** What every release must do alike: the store, capture, migrations, digests of rows, and the farm's schema and views. */
const onEachRelease = [
  "engine/dist/migrate/{ensure-partitions,migrate,upgrade-replica}.test.js",
  "engine/dist/store/*.test.js",
  "engine/dist/sql/capture.test.js",
  "engine/dist/digest/row-digest.test.js",
  "engine/dist/store/postgres/postgres-*.test.js",
  "schema/dist/migrations/*.test.js",
];

/** What else depends on the release runs on the oldest, too: what that and the newest take, those between take. */
const onTheOldest = [
  ...onEachRelease,
  "engine/dist/apply/{apply-slice,refusals}.test.js",
  "engine/dist/{snapshot/{large-rows,snapshot},sql/*}.test.js",
  "engine/dist/catalog/derived-id.test.js",
];

const older = (release, include) => ({
  extends: true,
  test: { ...shared, name: `postgres-${release}`, include, provide: { hayloftOlderPostgres: release } },
});

// What `npm test` runs: everything, and what depends on the release again on each older one, with a server of its own.
export default defineConfig({
  test: {
    ...bounds,
    projects: [
      { extends: true, test: { ...everything, name: "all" } },
      older("15", onTheOldest),
      ...["16", "17"].map((release) => older(release, onEachRelease)),
    ],
  },
});
