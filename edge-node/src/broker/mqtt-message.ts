/** A message as a broker hands it over. */
export interface MqttMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The broker publishes it because the device is gone; an external broker does not tell, and then it may be one. */
  readonly lastWill: boolean;
}

/**
 * Takes a message in. When the promise resolves, the message is dealt with for good (stored, known already, or refused and
 * recorded) and the broker may acknowledge it; when it rejects, the sender must keep the message and send it again.
 */
export type TakeMessage = (message: MqttMessage) => Promise<{ readonly accepted: boolean }>;

/** A running broker, or a connection to one. */
export interface Broker {
  /** Where devices publish. */
  readonly url: string;
  /** Null when messages can come in, else why they cannot. */
  problem(): string | null;
  /** When the own broker's certificate ends, in milliseconds since 1970; null without one. */
  readonly certificateEndsMs: number | null;
  /** Devices that are connected; null when the broker does not tell. */
  connections(): number | null;
  /** Takes no more messages; resolves when every connection is closed. */
  close(): Promise<void>;
}
