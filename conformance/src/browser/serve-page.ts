import { readFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { makeEmptyImage } from "@hayloft/engine/image";
import { farmCatalog, farmMigrations } from "@hayloft/schema";
import { build } from "vite";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".data": "application/octet-stream",
};

export interface ServedPage {
  /** For example `http://127.0.0.1:4711`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** Bundles the page for a browser and serves it, with the image of a tablet's store, on a free port of this machine. */
export async function servePage(): Promise<ServedPage> {
  const outDir = await mkdtemp(join(tmpdir(), "hayloft-page-"));
  const entry = fileURLToPath(new URL("./page-main.js", import.meta.url));
  await build({
    configFile: false,
    logLevel: "error",
    root: fileURLToPath(new URL(".", import.meta.url)),
    worker: { format: "es" },
    build: {
      outDir,
      emptyOutDir: true,
      target: "esnext",
      rolldownOptions: { input: entry, output: { entryFileNames: "page.js" } },
    },
  });
  await makeEmptyImage({
    catalog: farmCatalog,
    migrations: farmMigrations,
    tier: "tablet",
    scratch: join(outDir, "scratch"),
    file: join(outDir, "image.tar.gz"),
  });
  const html = '<!doctype html><meta charset="utf-8"><title>Tablet</title><script type="module" src="/page.js"></script>';
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://page").pathname;
    const answer = path === "/" ? Promise.resolve(Buffer.from(html)) : readFile(join(outDir, normalize(path)));
    answer.then(
      (bytes) => {
        response.setHeader("content-type", types[extname(path)] ?? "text/html");
        response.end(bytes);
      },
      () => {
        response.statusCode = 404;
        response.end();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(outDir, { recursive: true, force: true });
    },
  };
}
