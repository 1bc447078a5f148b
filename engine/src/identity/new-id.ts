import { uuidv7 } from "uuidv7";

/**
 * A new uuid v7 (RFC 9562), the key of every row that we make ourselves. Ids of one process grow strictly, also when its
 * clock steps back. They are identities, never cursors.
 */
export const newId = (): string => uuidv7();
