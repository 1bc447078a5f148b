import { applySource, lastOwnSeq } from "./apply-source.ts";
import type { Handled, Inbound, IncomingLog, Replication } from "./replication-state.ts";
import { withIncoming } from "./replication-state.ts";

/** Begins to store a part; with the last one the commit is applied. */
export function applyPart(state: Replication, log: IncomingLog, item: Extract<Inbound, { type: "part" }>): Handled {
  const { bytes, part } = item;
  const { type: _type, ...rest } = part;
  const { after, upTo } = part.slice;
  return {
    state: withIncoming(state, {
      ...log,
      applying: { bytes, after, upTo: part.last ? upTo : log.position, ...(part.last && lastOwnSeq(part.slice)) },
    }),
    effects: [{ type: "apply-part", request: { ...applySource(state, log), part: rest } }],
  };
}
