import { writeSync } from "node:fs";
import { startEmbeddedPostgres } from "../store/postgres/embedded-postgres.ts";

/** A child process that starts a server on the directory in its argument, prints `ready <port>`, and waits to be killed. */
const server = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? "" });
writeSync(1, `ready ${server.port}\n`);
process.stdin.resume();
