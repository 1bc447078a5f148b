/**
 * A clock that is known to be ahead. The parent's time is the one that counts below it: what this clock was ahead by, when it was
 * last measured, is taken off every stamp, so that no further commit has to be stamped again. A clock that is behind needs no
 * correction, because stamps are greater than all that was seen. A correction that has become wrong (somebody has set the clock) makes
 * stamps grow by one until the next session measures again: order never breaks.
 */
export const engineClock = `
ALTER TABLE hayloft.replica ADD COLUMN clock_ahead_ms bigint NOT NULL DEFAULT 0 CHECK (clock_ahead_ms >= 0);

CREATE OR REPLACE FUNCTION hayloft.next_stamp(_after bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $function$
  SELECT greatest(_after + 1, (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
    - coalesce((SELECT r.clock_ahead_ms FROM hayloft.replica r), 0) << 16) + coalesce((SELECT r.stamp_salt FROM hayloft.replica r), 0))
$function$;
`;
