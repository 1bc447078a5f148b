import { writeFileSync } from "node:fs";
import { columnVectors, frameVectors, hashVectors, proofVectors, refusedVectors } from "./make-vectors.ts";

// Writes conformance/vectors: `node conformance/dist/vectors/write-vectors.js` after a build.

const files: Readonly<Record<string, unknown>> = {
  frames: frameVectors(),
  columns: columnVectors(),
  hashes: hashVectors(),
  proofs: proofVectors(),
  refused: refusedVectors(),
};

for (const [name, content] of Object.entries(files)) {
  writeFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), `${JSON.stringify(content, null, 2)}\n`);
}
