import type { Log, LogEvent } from "@hayloft/engine";
import { pino } from "pino";
import type { HubSettings } from "../config/hub-settings.ts";

/** Writes one JSON object per line to standard output. Error causes are written for their type and code only. */
export function hubLog(level: HubSettings["log.level"], version: string): Log {
  const logger = pino({ level, base: { service: "hayloft-hub", version }, timestamp: pino.stdTimeFunctions.isoTime });
  return (event) => logger[event.level](fieldsOf(event), event.error?.message ?? event.event);
}

function fieldsOf(event: LogEvent): Readonly<Record<string, unknown>> {
  const cause = event.error?.cause;
  return {
    event: event.event,
    ...(event.peer === null ? {} : { peer: event.peer }),
    ...event.details,
    ...(event.error === null ? {} : { code: event.error.code, ...event.error.details }),
    ...(cause instanceof Error ? { cause: "code" in cause ? String(cause.code) : cause.name } : {}),
  };
}
