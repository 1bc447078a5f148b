import { writeSync } from "node:fs";
import { startHub } from "@hayloft/cloud-hub";

/** A hub as a process of its own: `hub.child.js <database url> <port>`. Says `ready` and drains on SIGTERM. */
const [databaseUrl = "", port = "0"] = process.argv.slice(2);
const hub = await startHub({ "http.port": Number(port), "shutdown.reconnect_after_ms": 0 }, { databaseUrl });
process.once("SIGTERM", () => {
  void hub.stop().then(() => process.exit(0));
});
writeSync(1, "ready\n");
