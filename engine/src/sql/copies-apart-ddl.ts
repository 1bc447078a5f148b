import { COPIES_APART, COPY_COUNTER_BITS, STAMP_COUNTER_BITS } from "../clock/hybrid-clock.ts";

const MILLISECOND = 1n << STAMP_COUNTER_BITS;
const PART = 1n << COPY_COUNTER_BITS;

/**
 * `tickClock` in SQL. `stamp_salt` is where the part of a millisecond's counter begins from which this database stamps. A salt that
 * was only added to the clock's time did not tell copies apart whose clocks are behind what they see: both counted on from there.
 */
export const copiesApartDdl = `
UPDATE hayloft.replica SET stamp_salt = (1 + stamp_salt % ${String(COPIES_APART - 1)}) * ${String(PART)} WHERE stamp_salt > 0;

CREATE OR REPLACE FUNCTION hayloft.next_stamp(_after bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $function$
  SELECT greatest((floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - c.ahead_ms << ${String(STAMP_COUNTER_BITS)}) + c.first, CASE WHEN n.place < ${String(PART)}
    THEN _after + 1 ELSE _after + 1 - n.place + ${String(MILLISECOND)} END)
  FROM (SELECT coalesce(max(r.clock_ahead_ms), 0) AS ahead_ms, coalesce(max(r.stamp_salt), 0) AS first FROM hayloft.replica r) c
    CROSS JOIN LATERAL (SELECT (_after + 1 - c.first) & ${String(MILLISECOND - 1n)} AS place) n
$function$;
`;
