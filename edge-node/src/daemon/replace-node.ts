import { readdir } from "node:fs/promises";
import { HayloftError } from "@hayloft/engine";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { enrol, type Enrolment, readEnrolment } from "./enrolment.ts";
import { runUntilFilled } from "./run-until-filled.ts";
import type { EdgePorts } from "./start-edge.ts";

export interface ReplaceRequest {
  /** Its data directory is new; `hub_url` is set. */
  readonly config: EdgeConfig;
  readonly token: string;
  readonly name: string;
  readonly ports?: EdgePorts;
}

export interface Replacement {
  readonly enrolment: Enrolment;
  readonly enrolMs: number;
  /** From the enrolment to a node that holds everything the hub has for it. */
  readonly fillMs: number;
  readonly rows: number;
}

/** What a replacement that was cut off may have left. */
const OWN_FILES = new Set(["identity.json", "identity-pending.json", "enrolment.json", "database", "media"]);
const FIRST_CONTACT_MS = 300_000;

/**
 * Makes this box the successor of a node from the hub alone: enrols it with a token that names the old node, which the hub revokes in the same
 * moment, and fills its database. When it resolves, the node holds what the hub has for it and is stopped. Cut off, it goes on where it was
 * when it is called again. Throws `directory-used`, `token-invalid`, `unavailable`, and what `startEdge` throws.
 */
export async function replaceNode({ config, token, name, ports = {} }: ReplaceRequest): Promise<Replacement> {
  await refuseUsed(config.data_dir);
  const startedMs = performance.now();
  const { enrolment } = await enrol({
    dataDir: config.data_dir,
    hubUrl: config.hub_url ?? "",
    token,
    name,
    caFile: config.hub_ca_file,
  });
  if (enrolment.replaces === null)
    throw new HayloftError("token-invalid", {
      reason: "it replaces no node; this one is enrolled beside the others",
      node: enrolment.nodeId,
    });
  const enrolledMs = performance.now();
  const rows = await runUntilFilled(config, ports, FIRST_CONTACT_MS);
  return {
    enrolment,
    enrolMs: Math.round(enrolledMs - startedMs),
    fillMs: Math.round(performance.now() - enrolledMs),
    rows,
  };
}

/** A directory with a node of its own is not overwritten; one in which this was cut off is gone on with. */
async function refuseUsed(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch((): string[] => []);
  const enrolment = await readEnrolment(dataDir);
  const foreign = names.some((name) => !OWN_FILES.has(name));
  const withoutEnrolment = enrolment === null && names.includes("identity.json") && !names.includes("identity-pending.json");
  if (foreign || withoutEnrolment || (enrolment !== null && enrolment.replaces === null))
    throw new HayloftError("directory-used", { directory: dataDir });
}
