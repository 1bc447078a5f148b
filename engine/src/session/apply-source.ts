import type { ApplyRequest, LogSlice } from "../replica/replica-storage.ts";
import type { IncomingLog, Replication } from "./replication-state.ts";

/** Who sends the log, and what is known of it. */
export const applySource = (
  state: Replication,
  { verifiedSeq, horizon, continues }: IncomingLog,
): Omit<ApplyRequest, "slice"> => ({
  peer: state.peer,
  node: state.node,
  peerVersion: state.peerVersion,
  from: state.towards === "down" ? "child" : "parent",
  grant: state.towards === "down" ? state.grant : null,
  verifiedSeq,
  horizon,
  ...(continues !== null && { continues }),
});

/** The seq of the last of the sender's own commits. */
export const lastOwnSeq = ({ incarnation, commits }: LogSlice): { readonly ownSeq?: number } => {
  const own = commits.findLast((commit) => commit.origin === incarnation);
  return own === undefined ? {} : { ownSeq: own.seq };
};
