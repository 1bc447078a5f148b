/** At a relay, for a child: the end of its own log, and that log's life, when the mark was made. The mark is safe when that position is. */
export const relayedSafeDdl = `
ALTER TABLE hayloft.peer ADD COLUMN marked_log uuid, ADD COLUMN marked_log_position bigint;
`;
