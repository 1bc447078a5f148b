/** What a child keeps of its grant, and the receipts of rows that left it. */
export const scopeTables = `
ALTER TABLE hayloft.peer
  ADD COLUMN granted text COLLATE "C",
  ADD COLUMN refill_due boolean NOT NULL DEFAULT false,
  ADD COLUMN purge_due boolean NOT NULL DEFAULT false;

CREATE TABLE hayloft.eviction (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  cause text COLLATE "C" NOT NULL CHECK (cause IN ('moved', 'grant', 'absent')),
  table_name text COLLATE "C" NOT NULL,
  row_count bigint NOT NULL,
  row_keys text[] NOT NULL
);
CREATE INDEX eviction_tenant_idx ON hayloft.eviction (tenant_id, at);
`;
