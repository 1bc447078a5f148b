import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import path from "node:path";
import type { KeyIdentity } from "@hayloft/engine";
import { HayloftError, createIdentity, identityFromRecord } from "@hayloft/engine";
import { loadIdentity, saveIdentity } from "@hayloft/engine/node";
import { syncAbove } from "@hayloft/engine/pglite";
import * as v from "valibot";
import { requestJson } from "../http/request-json.ts";

const uuid = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "must be a uuid"));
const publicKey = v.pipe(v.string(), v.regex(/^[\w-]{43}$/, "must be 32 bytes in base64url"));

/** What the hub answers to an enrolment. */
const answerSchema = v.object({
  nodeId: uuid,
  tenant: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  hubNode: uuid,
  hubPublicKey: publicKey,
  syncUrl: v.pipe(v.string(), v.regex(/^wss?:\/\//, "must be a WebSocket address")),
  role: v.string(),
  scopes: v.record(v.string(), v.array(v.string())),
  /** The node in whose place this one is. */
  replaces: v.optional(v.nullable(uuid), null),
});

const enrolmentSchema = v.object({ ...answerSchema.entries, hubUrl: v.string() });

/** Where this node belongs: its tenant, its grant, and the hub that must prove itself by `hubPublicKey`. */
export type Enrolment = v.InferOutput<typeof enrolmentSchema>;

export interface EnrolRequest {
  readonly dataDir: string;
  readonly hubUrl: string;
  readonly token: string;
  readonly name: string;
  /** PEM file with the authority that signed the hub's certificate. */
  readonly caFile?: string | null;
}

const ANSWER_TIMEOUT_MS = 30_000;
/** Answers that another attempt with the same token cannot change. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403, 404, 409, 410]);

const identityFile = (dataDir: string): string => path.join(dataDir, "identity.json");
const pendingFile = (dataDir: string): string => path.join(dataDir, "identity-pending.json");
const enrolmentFile = (dataDir: string): string => path.join(dataDir, "enrolment.json");

/**
 * Enrols this node at the hub and stores key and enrolment in `dataDir`. The key is stored before the hub hears of it, so a
 * broken attempt can be repeated with the same token and key. When the node is enrolled already, that enrolment is returned
 * and the token is not used. Throws `token-invalid`, or `unavailable` when the hub gives no usable answer.
 */
export async function enrol(request: EnrolRequest): Promise<{ readonly enrolment: Enrolment; readonly fresh: boolean }> {
  const existing = await readEnrolment(request.dataDir);
  if (existing !== null) return { enrolment: existing, fresh: false };
  await mkdir(request.dataDir, { recursive: true, mode: 0o700 });
  const pending = pendingIdentity(request.dataDir);
  const answer = await askHub(request, pending);
  const identity = identityFromRecord({ ...pending.toRecord(), nodeId: answer.nodeId, tenant: answer.tenant });
  saveIdentity(identityFile(request.dataDir), identity);
  const enrolment: Enrolment = { ...answer, hubUrl: request.hubUrl };
  await writeDurably(enrolmentFile(request.dataDir), `${JSON.stringify(enrolment, null, 2)}\n`);
  return { enrolment, fresh: true };
}

/** The stored enrolment, or null when the node was never enrolled. Throws `identity-invalid` when the file is damaged. */
export async function readEnrolment(dataDir: string): Promise<Enrolment | null> {
  const file = enrolmentFile(dataDir);
  if (!existsSync(file)) return null;
  const parsed = v.safeParse(enrolmentSchema, parseJson(await readFile(file, "utf8")));
  if (parsed.success) return parsed.output;
  throw new HayloftError("identity-invalid", { file, problem: parsed.issues[0].message });
}

/** The identity of an enrolled node. Throws `identity-invalid` when it is missing, damaged or not the enrolled one. */
export function loadEnrolledIdentity(dataDir: string, enrolment: Enrolment): KeyIdentity {
  const identity = loadIdentity(identityFile(dataDir));
  if (identity.nodeId !== enrolment.nodeId || identity.tenant !== enrolment.tenant) {
    throw new HayloftError("identity-invalid", { file: identityFile(dataDir), problem: "belongs to another enrolment" });
  }
  return identity;
}

/** The identity of a node without a hub, made at its first start. Throws `config-invalid` when it belongs to another tenant. */
export async function standaloneIdentity(dataDir: string, tenant: string): Promise<KeyIdentity> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const file = identityFile(dataDir);
  if (!existsSync(file)) saveIdentity(file, createIdentity({ tier: "edge", tenant }));
  syncAbove(dataDir);
  const identity = loadIdentity(file);
  if (identity.tenant === tenant) return identity;
  throw new HayloftError("config-invalid", { setting: "tenant_id", problem: "the data directory belongs to another tenant" });
}

function pendingIdentity(dataDir: string): KeyIdentity {
  const file = pendingFile(dataDir);
  if (!existsSync(file)) saveIdentity(file, createIdentity({ tier: "edge", tenant: null }));
  // The hub will know the key: a directory that was made for it must not go with the power.
  syncAbove(dataDir);
  return loadIdentity(file);
}

async function askHub(request: EnrolRequest, identity: KeyIdentity): Promise<v.InferOutput<typeof answerSchema>> {
  const body = {
    token: request.token,
    publicKey: Buffer.from(identity.publicKey).toString("base64url"),
    name: request.name,
    tier: "edge",
  };
  const ca = typeof request.caFile === "string" ? await readFile(request.caFile, "utf8") : null;
  const url = new URL("/api/v1/enrol", request.hubUrl);
  const { status, body: answer } = await requestJson({ method: "POST", url, body, timeoutMs: ANSWER_TIMEOUT_MS, ca });
  if (REFUSALS.has(status)) throw new HayloftError("token-invalid", { status, reason: errorCodeOf(answer) });
  const parsed = v.safeParse(answerSchema, answer);
  if (status >= 200 && status < 300 && parsed.success) return parsed.output;
  const reason = parsed.success
    ? "the hub refused"
    : `${v.getDotPath(parsed.issues[0]) ?? "answer"}: ${parsed.issues[0].message}`;
  throw new HayloftError("unavailable", { hub: request.hubUrl, status, reason });
}

function errorCodeOf(answer: unknown): string {
  const parsed = v.safeParse(v.object({ error: v.object({ code: v.string() }) }), answer);
  return parsed.success ? parsed.output.error.code.slice(0, 64) : "unknown";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  await writeFile(temporary, text, { mode: 0o600, flush: true });
  await rename(temporary, file);
}
