// Writes docs/errors.md from the error catalog. Run after `npm run build`.
import { writeFileSync } from "node:fs";
import { errorManual } from "../engine/dist/error/error-manual.js";

writeFileSync(new URL("../docs/errors.md", import.meta.url), errorManual());
