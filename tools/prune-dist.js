// Removes from each dist folder what no source file stands behind any more, so that a deleted test cannot run again.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const { workspaces } = JSON.parse(readFileSync("package.json", "utf8"));
const built = /\.(?:d\.ts|d\.ts\.map|js|js\.map)$/;

for (const workspace of workspaces) {
  const dist = join(workspace, "dist");
  if (!existsSync(dist)) continue;
  for (const path of readdirSync(dist, { recursive: true })) {
    if (!built.test(path)) continue;
    const source = join(workspace, "src", path.replace(built, ".ts"));
    if (!existsSync(source)) rmSync(join(dist, path));
  }
}
