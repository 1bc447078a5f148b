import { mkdir, mkdtemp } from "node:fs/promises";
import { cpSync, existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import type { Preparation } from "./preparation.ts";

/** Of this process, by the preparation's key: a closed store each. */
const templates = new Map<string, Promise<string>>();

/** Puts a store as prepared into a directory that has none, for a program that opens it; one that is there stays. */
export async function prepareDirectory(dataDir: string, preparation: Preparation): Promise<void> {
  if (existsSync(path.join(dataDir, "pgdata"))) return;
  let template = templates.get(preparation.key);
  if (template === undefined) {
    template = makeTemplate(preparation);
    templates.set(preparation.key, template);
  }
  const source = path.join(await template, "pgdata");
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // In one go: a thousand small files one after the other without the event loop between them.
  cpSync(source, path.join(dataDir, "pgdata"), { recursive: true });
}

async function makeTemplate({ prepare }: Preparation): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "hayloft-template-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const database = await openPgliteDatabase({ dataDir: directory, durable: false });
  try {
    await prepare(database);
  } finally {
    await database.close();
  }
  return directory;
}
