import { existsSync } from "node:fs";
import path from "node:path";
import { createIdentity, newId } from "@hayloft/engine";
import { tempDir } from "@hayloft/engine/testing";
import { expect, it } from "vitest";
import { edgeConfigOf } from "../settings/load-edge-config.ts";
import { quietLog } from "../testing/edge-fixture.ts";
import { openStore } from "./open-store.ts";

it("asks no address for an image that could be read on the way", async () => {
  const directory = await tempDir();
  const identity = createIdentity({ tier: "edge", tenant: "t-1" });
  const parent = { url: "ws://hub.example.org/sync", node: newId(), publicKey: identity.publicKey };
  const config = edgeConfigOf({ data_dir: directory, "log.level": "silent" });
  const opened = openStore({ config, identity, tenant: "t-1", parent, log: quietLog, onFatal: undefined });
  await expect(opened).rejects.toMatchObject({ code: "config-invalid" });
  expect(existsSync(path.join(directory, "database", "pgdata"))).toBe(false);
});
