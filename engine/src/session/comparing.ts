import type { ComparisonAnswer, ComparisonQuestion } from "../protocol/frame.ts";
import type { Handled, Replication } from "./replication-state.ts";
import { unchanged } from "./replication-state.ts";
import type { ReplicationEvent } from "./session-event.ts";
import { SessionFault } from "./session-fault.ts";

/** Questions that a child may have under way. */
const questionsMax = 8;

/** Sends a question of ours to the parent, or says at once that there will be no answer in this session. */
export function onCompare(state: Replication, { question }: Extract<ReplicationEvent, { type: "compare" }>): Handled {
  if (state.towards === "up" && state.compares) return { state, effects: [{ type: "send", frame: question }] };
  return { state, effects: [{ type: "compared", id: question.id, answer: null }] };
}

/** The parent's answer goes to whoever asked; one that nobody waits for is dropped there. */
export function onComparisonAnswer(state: Replication, frame: ComparisonAnswer): Handled {
  if (!state.compares) throw new SessionFault("frame-unexpected", { frame: frame.type });
  return { state, effects: [{ type: "compared", id: frame.id, answer: frame }] };
}

/** Answers a child's question from the database. */
export function onComparisonQuestion(state: Replication, question: ComparisonQuestion): Handled {
  if (!state.compares) throw new SessionFault("frame-unexpected", { frame: question.type });
  if (state.comparing >= questionsMax) throw new SessionFault("limit-reached", { limit: "questionsMax", questionsMax });
  const { peer, grant } = state;
  return {
    state: { ...state, comparing: state.comparing + 1 },
    effects: [{ type: "answer-comparison", peer, grant, question }],
  };
}

export function onComparisonAnswered(
  state: Replication,
  { answer }: Extract<ReplicationEvent, { type: "comparison-answered" }>,
): Handled {
  if (state.comparing === 0) return unchanged(state);
  return { state: { ...state, comparing: state.comparing - 1 }, effects: [{ type: "send", frame: answer }] };
}
