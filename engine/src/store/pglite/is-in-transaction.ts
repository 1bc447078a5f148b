/** Whether an answer ends inside a transaction: its last message, ReadyForQuery, says so in its one byte. */
export function isInTransaction(answer: Uint8Array): boolean {
  return answer.at(-1) !== "I".charCodeAt(0);
}
