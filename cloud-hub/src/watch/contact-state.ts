/** How long a node has been without contact, as the hub alone can tell. `never`: enrolled, but not yet seen. */
export type ContactState = "online" | "late" | "silent" | "lost" | "never";

export interface ContactLimits {
  readonly lateMs: number;
  readonly silentMs: number;
  readonly lostMs: number;
}

const defaultContactLimits: ContactLimits = { lateMs: 5 * 60_000, silentMs: 60 * 60_000, lostMs: 24 * 60 * 60_000 };

/**
 * The state of a node at `nowMs`. It needs nothing from the node itself: a barn that lost its power cannot report it.
 * A connected node is online whatever its last contact; a contact in the future (the hub's clock went back) counts as now.
 */
export function contactState(
  node: { readonly connected: boolean; readonly lastContactMs: number | null; readonly enrolledMs: number },
  nowMs: number,
  limits: ContactLimits = defaultContactLimits,
): ContactState {
  if (node.connected) return "online";
  const silentForMs = nowMs - (node.lastContactMs ?? node.enrolledMs);
  if (node.lastContactMs === null && silentForMs < limits.lateMs) return "never";
  if (silentForMs >= limits.lostMs) return "lost";
  if (silentForMs >= limits.silentMs) return "silent";
  if (silentForMs >= limits.lateMs) return "late";
  return "online";
}
