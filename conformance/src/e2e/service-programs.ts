import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { freePort } from "./child-program.ts";
import type { ServiceGround } from "./service-ground.ts";

const hubMain = new URL("./hub.child.js", import.meta.url).pathname;
const edgePackage = createRequire(import.meta.url).resolve("@hayloft/edge-node");
const edgeMain = join(dirname(edgePackage), "../bin/hayloft-edge.js");

/** The real daemon on the ground's directory: arguments of Node, and where it will be. */
export async function edgeProgram(
  { edgeDir, wire }: Pick<ServiceGround, "edgeDir" | "wire">,
  logLevel = "warn",
): Promise<{ readonly args: readonly string[]; readonly mqttUrl: string; readonly httpUrl: string }> {
  const [mqttPort, httpPort] = [await freePort(), await freePort()];
  const settings = [
    ["--data-dir", edgeDir],
    ["--hub-url", wire.url],
    ["--broker-port", String(mqttPort)],
    ["--http-port", String(httpPort)],
    ["--log-level", logLevel],
  ].flat();
  return {
    args: [edgeMain, "run", ...settings, "--broker-anonymous"],
    mqttUrl: `mqtt://127.0.0.1:${String(mqttPort)}`,
    httpUrl: `http://127.0.0.1:${String(httpPort)}`,
  };
}

/** A hub on the ground's database, at the other end of its wire; it prints `ready`. */
export async function hubProgram({ postgresUrl, wire }: ServiceGround): Promise<readonly string[]> {
  const port = await freePort();
  wire.aim(`http://127.0.0.1:${String(port)}`);
  return [hubMain, postgresUrl, String(port)];
}

/** How far the hub has taken the edge's log. */
export async function takenByHub({
  database,
  edgeNode,
  plan,
}: Pick<ServiceGround, "database" | "edgeNode" | "plan">): Promise<number> {
  const { rows } = await database.query<{ position: number }>(
    "select received_position as position from hayloft.peer where node_id::text = $1 and tenant_id = $2",
    [edgeNode, plan.tenant],
  );
  return rows[0]?.position ?? 0;
}
