import { readFile } from "node:fs/promises";
import type { NodeIdentity, ParentAddress } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { loadEnrolledIdentity, readEnrolment, standaloneIdentity } from "./enrolment.ts";

export interface OpenedIdentity {
  readonly identity: NodeIdentity;
  readonly tenant: string;
  /** The hub; null in mode standalone. */
  readonly parent: ParentAddress | null;
}

/** Who this node is and where its hub is. Throws `config-invalid` or `identity-invalid` with what to do. */
export async function openIdentity(config: EdgeConfig): Promise<OpenedIdentity> {
  if (config.mode === "standalone") return openStandalone(config);
  const enrolment = await readEnrolment(config.data_dir);
  if (enrolment === null) {
    throw new HayloftError("config-invalid", {
      setting: "data_dir",
      problem: "this node is not enrolled; run `hayloft-edge enrol`, or set mode to standalone",
    });
  }
  if (config.tenant_id !== null && config.tenant_id !== enrolment.tenant) {
    throw new HayloftError("config-invalid", { setting: "tenant_id", problem: "the node is enrolled for another tenant" });
  }
  const parent: ParentAddress = {
    url: config.hub_url === null ? enrolment.syncUrl : syncUrlOf(config.hub_url, enrolment.syncUrl),
    node: enrolment.hubNode,
    publicKey: new Uint8Array(Buffer.from(enrolment.hubPublicKey, "base64url")),
    insecure: config.insecure,
    reconnect: { baseMs: config["hub.reconnect_min_ms"], capMs: config["hub.reconnect_max_ms"] },
    ...(config.hub_ca_file === null ? {} : { ca: await readFile(config.hub_ca_file, "utf8") }),
  };
  return { identity: loadEnrolledIdentity(config.data_dir, enrolment), tenant: enrolment.tenant, parent };
}

async function openStandalone(config: EdgeConfig): Promise<OpenedIdentity> {
  const tenant = config.tenant_id;
  if (tenant === null)
    throw new HayloftError("config-invalid", { setting: "tenant_id", problem: "is required in mode standalone" });
  return { identity: await standaloneIdentity(config.data_dir, tenant), tenant, parent: null };
}

/** A hub that moved keeps the path it named at enrolment. */
function syncUrlOf(hubUrl: string, enrolledSyncUrl: string): string {
  const url = new URL(hubUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.pathname = new URL(enrolledSyncUrl).pathname;
  return url.href;
}
