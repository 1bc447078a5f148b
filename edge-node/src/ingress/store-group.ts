import type { Database, SqlSession } from "@hayloft/engine";
import { isHayloftError } from "@hayloft/engine";
import type { RefusalReason } from "@hayloft/schema";
import type { DomainContext } from "../domain/domain-context.ts";
import { dueSightings, noteWritten, storeDeviceSeen } from "../domain/device-seen.ts";
import { storeFeedDispensed } from "../domain/feed-dispensed.ts";
import { storeInferenceResults } from "../domain/inference-results.ts";
import type { SeenDevices } from "../domain/seen-devices.ts";
import { storeTelemetry } from "../domain/telemetry.ts";
import { storeWeighSessions } from "../domain/weigh-sessions.ts";
import { loadAuthority, senderOf } from "./authority.ts";
import { claimEvents } from "./event-claims.ts";
import type { IngressMessage, ReadMessage, RefusedMessage } from "./ingress-message.ts";
import { refuseMessage } from "./ingress-message.ts";
import { insertRefused } from "./refused-messages.ts";
import { plainReadings, storeReadings } from "./store-readings.ts";

/** What became of one message, for good. */
export type Verdict =
  | { readonly outcome: "stored" | "duplicate"; readonly reason: null }
  | { readonly outcome: "refused"; readonly reason: RefusalReason };

export interface StoreOptions {
  readonly database: Database;
  readonly tenant: string;
  readonly dedupeTtlMs: number;
  readonly nowMs: number;
  readonly seen: SeenDevices;
}

const STORED: Verdict = { outcome: "stored", reason: null };
const DUPLICATE: Verdict = { outcome: "duplicate", reason: null };

/**
 * Stores a group of messages: readings in one statement, the others and what that statement left in one transaction. Claim,
 * rows and their capture commit together or not at all. Throws when the store itself fails: then nothing of the group must
 * be acknowledged; what was stored is a duplicate when it comes again.
 */
export async function storeGroup(options: StoreOptions, group: readonly ReadMessage[]): Promise<readonly Verdict[]> {
  const stored = await storePlain(options, group);
  if (stored.size === group.length) return group.map(() => STORED);
  const rest = group.filter((item) => !(item.ok && stored.has(item.message)));
  const verdicts = await storeRest(options, rest);
  let next = 0;
  return group.map((item) => (item.ok && stored.has(item.message) ? STORED : (verdicts[next++] ?? DUPLICATE)));
}

/** Stores the plain readings of the group and returns them. One that the database does not take leaves all to the slow way. */
async function storePlain(options: StoreOptions, group: readonly ReadMessage[]): Promise<ReadonlySet<IngressMessage>> {
  const { nowMs, seen } = options;
  const readings = plainReadings(group);
  if (readings.length === 0) return new Set();
  const sightings = dueSightings(readings, nowMs, seen);
  try {
    const { events, devices } = await storeReadings(options, readings, sightings);
    noteWritten(seen, sightings, devices);
    return new Set(readings.filter(({ message }) => events.has(message.event_id)));
  } catch (error) {
    if (rowErrorOf(error) === null) throw error;
    return new Set();
  }
}

/**
 * Stores messages in one transaction. A message that the database does not take is found by halving; it is refused alone and
 * the others are stored.
 */
async function storeRest(options: StoreOptions, group: readonly ReadMessage[]): Promise<readonly Verdict[]> {
  try {
    return await options.database.transaction((tx) => storeInTransaction(tx, options, group));
  } catch (error) {
    options.seen.forgetAll();
    const code = rowErrorOf(error);
    if (code === null) throw error;
    if (group.length > 1) {
      const middle = group.length >> 1;
      const head = await storeRest(options, group.slice(0, middle));
      return [...head, ...(await storeRest(options, group.slice(middle)))];
    }
    const refused = group.map((item) =>
      item.ok ? refuseMessage(item.message, "rejected-by-store", `sqlstate ${code}`) : item.refused,
    );
    await options.database.transaction((tx) => insertRefused(tx, options.tenant, refused));
    return refused.map(({ reason }) => ({ outcome: "refused", reason }));
  }
}

async function storeInTransaction(
  tx: SqlSession,
  options: StoreOptions,
  group: readonly ReadMessage[],
): Promise<readonly Verdict[]> {
  const { tenant, nowMs, dedupeTtlMs } = options;
  const readable = group.flatMap((item) => (item.ok ? [item.message] : []));
  const refused = new Map<IngressMessage, RefusedMessage>();
  const first = new Map<string, IngressMessage>();
  if (readable.length > 0) {
    const senders = readable.map((item) => senderOf(item.message));
    const authority = await loadAuthority(tx, tenant, senders);
    for (const [index, item] of readable.entries()) {
      const sender = senders[index];
      const refusal = sender === undefined ? null : authority.refusalOf(sender);
      if (refusal !== null) refused.set(item, refuseMessage(item, refusal.reason, refusal.detail));
      else if (!first.has(item.message.event_id)) first.set(item.message.event_id, item);
    }
  }
  const claimed = await claimEvents(tx, tenant, [...first.values()], nowMs, dedupeTtlMs);
  const fresh = [...first.values()].filter((item) => claimed.has(item.message.event_id));
  await storeFresh({ tx, tenant, nowMs, seen: options.seen }, fresh);
  const verdicts = verdictsOf(group, refused, new Set(fresh));
  await insertRefused(
    tx,
    tenant,
    group.flatMap((item) => (item.ok ? (refused.get(item.message) ?? []) : item.refused)),
  );
  return verdicts;
}

async function storeFresh(context: DomainContext, fresh: readonly IngressMessage[]): Promise<void> {
  if (fresh.length === 0) return;
  await storeTelemetry(context, fresh);
  await storeWeighSessions(context, fresh);
  await storeInferenceResults(context, fresh);
  await storeFeedDispensed(context, fresh);
  await storeDeviceSeen(context, fresh);
}

function verdictsOf(
  group: readonly ReadMessage[],
  refused: ReadonlyMap<IngressMessage, RefusedMessage>,
  fresh: ReadonlySet<IngressMessage>,
): readonly Verdict[] {
  return group.map((item): Verdict => {
    const refusal = item.ok ? refused.get(item.message) : item.refused;
    if (refusal !== undefined) return { outcome: "refused", reason: refusal.reason };
    return item.ok && fresh.has(item.message) ? STORED : DUPLICATE;
  });
}

/**
 * The SQLSTATE of an error that one row can cause: bad data (class 22), a broken constraint (23), or a change that the
 * catalog forbids. Null for everything that is the store's own trouble.
 */
function rowErrorOf(error: unknown): string | null {
  if (isHayloftError(error, "write-refused")) return error.code;
  if (!isHayloftError(error, "sql-failed")) return null;
  const state = error.details["sqlstate"];
  return typeof state === "string" && /^2[23]/.test(state) ? state : null;
}
