import type { SqlSession } from "@hayloft/engine";
import type { SeenDevices } from "./seen-devices.ts";

/** What a domain module needs to store messages: all in the transaction that claims them. */
export interface DomainContext {
  readonly tx: SqlSession;
  readonly tenant: string;
  readonly nowMs: number;
  /** When devices were last written down, to leave out statements that would change nothing. */
  readonly seen: SeenDevices;
}
