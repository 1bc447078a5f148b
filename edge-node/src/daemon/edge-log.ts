import type { LogEvent } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import { pino } from "pino";
import type { EdgeConfig } from "../settings/edge-settings.ts";

/** Structured log lines. Fields hold identifiers and numbers: never payloads, row values or secrets. */
export interface EdgeLog {
  write(level: "debug" | "info" | "warn" | "error" | "fatal", event: string, fields: Readonly<Record<string, unknown>>): void;
}

/** One JSON object per line on standard output. */
export function createEdgeLog(config: EdgeConfig, version: string): EdgeLog {
  const logger = pino({
    level: config["log.level"],
    base: { service: "hayloft-edge", version },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  return { write: (level, event, fields) => logger[level]({ event, ...fields }) };
}

/** What is safe to log of an error: its code and details, or the name of its class. A message may quote values. */
export function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof HayloftError) return { code: error.code, details: error.details };
  return { error: error instanceof Error ? error.name : "unknown" };
}

/** The engine's events as log lines. */
export function engineLog(log: EdgeLog): (event: LogEvent) => void {
  return ({ level, event, peer, details, error }) => {
    log.write(level, event, { peer, ...details, ...(error === null ? {} : errorFields(error)) });
  };
}
