// Bundles the edge daemon into a few files: Node takes about a millisecond of a processor for each of its 850 modules, at every start.
import { rmSync } from "node:fs";
import { rolldown } from "rolldown";

const directory = "edge-node/bundle";
/** Packages with files or native parts that they find beside themselves. */
const external = [/^node:/, /^@electric-sql\/pglite/, "sharp", "bufferutil", "utf-8-validate"];

rmSync(directory, { recursive: true, force: true });
const bundle = await rolldown({
  // The worker's program lies beside the file that starts it, as in `dist`.
  input: { main: "edge-node/dist/main.js", "pglite-worker": "engine/dist/store/pglite/pglite-worker.js" },
  platform: "node",
  external,
});
await bundle.write({ dir: directory, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });
await bundle.close();
