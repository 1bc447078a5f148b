/**
 * Stamps change at every write of their row. `deleted` stands apart, because an index that looks into `stamps` would get a new
 * entry, as every other index of the table, whenever these change; and pages are less than half full, so that the new version of a row finds room
 * beside the old one. Then a write of stamps touches one page and no index.
 */
export const rowStateDdl = `
DROP INDEX hayloft.row_state_deleted_idx;
ALTER TABLE hayloft.row_state SET (fillfactor = 40);
ALTER TABLE hayloft.row_state ADD COLUMN deleted boolean NOT NULL GENERATED ALWAYS AS (stamps ? '$deleted') STORED;
CREATE INDEX row_state_deleted_idx ON hayloft.row_state (tenant_id, table_name, row_key) WHERE deleted;
`;

/** `dead` rows keep the values that they had. It stands apart as `deleted` does. */
export const deadRowsApartDdl = `
DROP INDEX hayloft.row_state_dead_idx;
ALTER TABLE hayloft.row_state ADD COLUMN dead boolean NOT NULL GENERATED ALWAYS AS (stamps ? '$cells') STORED;
CREATE INDEX row_state_dead_idx ON hayloft.row_state (tenant_id, table_name, row_key) WHERE dead;
`;
