import { createHash } from "node:crypto";
import type { EventType, Message, RefusalReason } from "@hayloft/schema";

/** A message that is well formed and belongs to this node; whether its sender may speak is decided in the transaction. */
export interface IngressMessage<Type extends EventType = EventType> {
  readonly message: Message & { readonly event_type: Type };
  /** The topic as it was published to. */
  readonly topicText: string;
  /** Published by the broker because the device is gone. */
  readonly lastWill: boolean;
  /** The device's, or one of ours when it sent none. */
  readonly traceId: string;
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  /** The whole message as it came, for its hash. */
  readonly payload: Uint8Array;
}

/** A message that was turned down, as far as it could be read. Never holds its payload. */
export interface RefusedMessage {
  readonly reason: RefusalReason;
  /** What exactly, without values: a field's name and what is wrong with it. */
  readonly detail: string;
  readonly topicText: string;
  readonly eventId: string | null;
  readonly device: string | null;
  /** SHA-256 of the whole message in hex. */
  readonly hash: string;
  readonly sizeBytes: number;
  readonly receivedAtMs: number;
}

/** A message after reading it. */
export type ReadMessage =
  | { readonly ok: true; readonly message: IngressMessage }
  | { readonly ok: false; readonly refused: RefusedMessage };

/** The messages of one type, typed. */
export function messagesOf<Type extends EventType>(
  messages: readonly IngressMessage[],
  type: Type,
): readonly IngressMessage<Type>[] {
  return messages.filter((item): item is IngressMessage<Type> => item.message.event_type === type);
}

/** The refusal of a message that could be read. */
export function refuseMessage(item: IngressMessage, reason: RefusalReason, detail: string): RefusedMessage {
  const { topicText, payload, receivedAtMs } = item;
  return {
    reason,
    detail,
    topicText,
    eventId: item.message.event_id,
    device: item.message.device_id,
    hash: hashOf(payload),
    sizeBytes: payload.byteLength,
    receivedAtMs,
  };
}

/** SHA-256 of a message in hex. Most messages are stored without it, so it is made where it is needed. */
export function hashOf(payload: Uint8Array): string {
  return createHash("sha256").update(payload).digest("hex");
}

/** The weigh station a message came from, or null. */
export function stationOf(message: Message): string | null {
  return message.topic.kind === "weighvision" ? message.topic.station_id : null;
}

/** Milliseconds since 1970 as Postgres reads a timestamptz. */
export const timestampText = (ms: number): string => new Date(ms).toISOString();
