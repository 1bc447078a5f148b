import { readFile } from "node:fs/promises";
import { HayloftError } from "@hayloft/engine";
import { requestJson } from "../http/request-json.ts";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { readSecret } from "../settings/read-secret.ts";

const ANSWER_MS = 10_000;

/** Asks the running daemon on this machine. Throws `unavailable` when it does not run, or with its own complaint. */
export function askDaemon(config: EdgeConfig, path: string): Promise<unknown> {
  return callDaemon(config, "GET", path, null, ANSWER_MS);
}

/** The same for requests that change something. */
export function tellDaemon(
  config: EdgeConfig,
  method: "POST" | "DELETE",
  path: string,
  body: unknown,
  timeoutMs = ANSWER_MS,
): Promise<unknown> {
  return callDaemon(config, method, path, body, timeoutMs);
}

async function callDaemon(
  config: EdgeConfig,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body: unknown,
  timeoutMs = ANSWER_MS,
): Promise<unknown> {
  const certFile = config["http.tls_cert_file"];
  const tokenFile = config["http.admin_token_file"];
  const host = config["http.host"] === "0.0.0.0" || config["http.host"] === "::" ? "localhost" : config["http.host"];
  const url = new URL(
    path,
    `${certFile === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${config["http.port"]}`,
  );
  const { status, body: answer } = await requestJson({
    method,
    url,
    body,
    timeoutMs,
    // The daemon's own certificate is the one to trust here.
    ca: certFile === null ? null : await readFile(certFile, "utf8"),
    token: tokenFile === null ? null : await readSecret("http.admin_token_file", tokenFile),
  });
  if (status >= 200 && status < 300) return answer;
  throw new HayloftError("unavailable", { address: url.href, status, reason: reasonOf(answer) });
}

function reasonOf(answer: unknown): string {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return "no reason given";
  const { error } = answer;
  return typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"
    ? error.message.slice(0, 300)
    : "no reason given";
}
