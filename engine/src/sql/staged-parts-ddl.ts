/**
 * Parts of commits too large for one frame, until the last has come. `digests` are those of the part's changes behind one
 * another, `digest` is the running digest; the totals count this part and those before it.
 */
export const stagedPartsDdl = `
DROP TABLE hayloft.staged;
CREATE TABLE hayloft.staged (
  peer uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  index integer NOT NULL,
  incarnation uuid NOT NULL,
  digest bytea NOT NULL,
  digests bytea NOT NULL,
  rows_total bigint NOT NULL,
  bytes_total bigint NOT NULL,
  last boolean NOT NULL,
  bytes bytea NOT NULL,
  staged_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (peer, tenant_id, position, index)
);
-- The frames in it are deflated already.
ALTER TABLE hayloft.staged ALTER COLUMN bytes SET STORAGE EXTERNAL;
`;
